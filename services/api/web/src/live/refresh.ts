// R: a new snapshot at once, and the fetcher is asked to poll what is older than it could be.

import { get, send } from "../api/client";
import type { Refreshed, RefreshState } from "../api/types";
import { note, withNote } from "../shell/notes";
import { age } from "../text/time";
import { restartLive } from "./start";
import { clockSpeed } from "./store";

const LOOK_MS = 500;
const LOOKS = 30;
let asking = false;

export async function refresh(): Promise<void> {
  restartLive();
  const asked = await withNote(send<Refreshed>("POST", "api/refresh"), "");
  if (!asked) return;
  note(refreshedWords(asked, clockSpeed.value), "", "refresh");
  if (asking) return;
  asking = true;
  const found = await outcomeOf(asked.requested_at).finally(() => {
    asking = false;
  });
  note(doneWords(found, clockSpeed.value), found?.done && !found.done.problem ? "good" : "bad", "refresh");
}

async function outcomeOf(requestedAt: number): Promise<RefreshState | null> {
  for (let look = 0; look < LOOKS; look++) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    const found = await get<RefreshState>("api/refresh").catch(() => null);
    if (found?.done && (found.requested_at ?? 0) >= requestedAt) return found;
  }
  return null;
}

export function refreshedWords(asked: Refreshed, speed: number): string {
  const ages = agesOf(asked, speed);
  return `${asked.coalesced ? "Already asked for" : "Asked for"} newer data${ages && `; before it: ${ages}`}`;
}

export function doneWords(found: RefreshState | null, speed: number): string {
  if (!found?.done) return "The fetcher has not answered the refresh: see Health";
  const { polled, coins, problem } = found.done;
  const what = [...polled, ...(coins ? [`futures data of ${coins} coins`] : [])];
  const ages = agesOf(found, speed);
  const words = what.length ? `Refreshed ${what.join(", ")}` : "Everything was as new as the exchange gives it";
  return `${problem ? `Not all could be refreshed: ${problem}` : words}${ages && `; now: ${ages}`}`;
}

// Ages are seconds of the exchange's clock; the user waits in wall time.
function agesOf({ price_age, derivatives_age }: Pick<RefreshState, "price_age" | "derivatives_age">, speed: number): string {
  const old = (name: string, seconds: number | null) => (seconds === null ? "" : `${name} ${age((seconds * 1000) / (speed || 1))} old`);
  return [old("prices", price_age), old("derivatives", derivatives_age)].filter(Boolean).join(", ");
}
