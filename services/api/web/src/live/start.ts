// Joins the parts of the live layer: connection, tabs, frames, store.

import { get } from "../api/client";
import { announce } from "../sound/announce";
import { apply } from "./apply";
import { startClock } from "./clock";
import { perFrame } from "./frames";
import { database } from "./health";
import { type Event, joined, loadOf } from "./portions";
import { connection, snapshotOfThisTab } from "./store";
import { followShared } from "./tabs";

const HEALTH_MS = 10_000;
let following: AbortController | null = null;

export function startLive(): void {
  startClock();
  restartLive();
  lookAtHealth();
  setInterval(lookAtHealth, HEALTH_MS);
}

// Follow the events anew: after the start, on a refresh, and when a key was given.
export function restartLive(): void {
  following?.abort();
  const queue = perFrame<Event>(
    ([name, data]) => {
      apply(name, data);
      announce(name, data);
    },
    { load: loadOf, add: joined },
  );
  const listener = {
    event: (name: string, data: unknown) => queue([name, data]),
    state: (state: typeof connection.value) => {
      connection.value = state;
    },
  };
  following = followShared("api/events", listener, snapshotOfThisTab);
}

function lookAtHealth(): void {
  if (document.hidden) return;
  get<{ database: "ok" | "away" }>("health").then(
    (found) => {
      database.value = found.database;
    },
    () => undefined,
  );
}
