// Whether what is shown is fresh: judged by the age of the data, never by the connection alone.

import { computed, signal } from "@preact/signals";
import { age } from "../text/time";
import { now } from "./clock";
import { connection, exchangeTime, scans, tickedAt } from "./store";

export const OLD_PRICE_MS = 20_000; // ticks come each second
const LATE_SCAN_MS = 900_000; // of the market's clock: three scans

export const database = signal<"ok" | "away">("ok");
export const priceAge = computed(() => (tickedAt.value ? Math.max(0, now.value - tickedAt.value) : null));
// The exchange's clock to the minute, so that what shows minutes is not drawn anew each second.
export const exchangeMinute = computed(() => Math.floor(exchangeTime.value / 60_000) * 60_000);
export const lastScan = computed(() => scans.value.find((scan) => scan.settled_at));

export interface Freshness {
  tone: "good" | "fair" | "bad";
  words: string;
}

export const freshness = computed<Freshness>(() => {
  const old = priceAge.value;
  if (connection.value !== "live") {
    const since = old === null ? "" : `, prices ${age(old)} old`;
    return { tone: "bad", words: `${connection.value === "connecting" ? "connecting" : "not connected"}${since}` };
  }
  if (old === null) return { tone: "fair", words: "waiting for prices" };
  if (old > OLD_PRICE_MS) return { tone: "fair", words: `prices ${age(old)} old` };
  if (database.value === "away") return { tone: "fair", words: "database away" };
  const scan = lastScan.value;
  if (scan?.degraded) return { tone: "fair", words: scan.degraded };
  if (scan && exchangeTime.value - scan.scan_id > LATE_SCAN_MS) return { tone: "fair", words: "scans are late" };
  return { tone: "good", words: "live" };
});
