// Which events get a sound: new ones only, never those that came while the page was hidden.

import type { Alert, Scan } from "../api/types";
import { prefs, type Sound } from "../prefs/prefs";
import { play } from "./tones";

const NEW_MS = 60_000; // wall clock, from an alert's making
let lastScan = 0;

export function soundOf(name: string, data: unknown, now: number): Sound | null {
  if (name === "scan") {
    const { settled_at } = data as Scan;
    return settled_at && now - settled_at < NEW_MS ? "scan" : null;
  }
  if (name !== "alert") return null;
  const alert = data as Alert;
  if (now - (alert.created_at ?? 0) > NEW_MS) return null;
  if (alert.kind === "signal" || alert.kind === "group") return "signal";
  if (alert.kind === "price") return "price";
  const event = alert.kind === "lifecycle" ? alert.body.event : "";
  return event === "stop" || event === "target" ? event : null;
}

export function announce(name: string, data: unknown): void {
  const sound = soundOf(name, data, Date.now());
  if (!sound || !prefs.sounds.value[sound]) return;
  if (sound === "scan") {
    const { scan_id } = data as Scan;
    if (scan_id <= lastScan) return;
    lastScan = scan_id;
  }
  play(sound);
}
