// One event stream that always reconnects, with jitter: a snapshot, then its changes.  A connection without data for
// 30 s is dropped.
//
// EventSource ends for good after one 502 of a proxy and cannot send a key, so the stream is read by fetch.

import { KeyNeeded, open } from "../api/client";
import { type Beginning, fetchBoard, fetchLists } from "./snapshot";
import { eventParser } from "./sse";
import type { ConnectionState } from "./store";

export const WATCHDOG_MS = 30_000; // the server sends a heartbeat every 10 s
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15_000;

export interface Listener {
  event(name: string, data: unknown): void;
  state(state: ConnectionState): void;
}

// Follow the events at *path* until *stopping* is aborted or a key is needed; *first* is a board asked for already.
export async function follow(path: string, listener: Listener, stopping: AbortSignal, first?: Promise<Beginning>): Promise<void> {
  const place: Place = { lastId: "", first };
  let failures = 0;
  listener.state("connecting");
  while (!stopping.aborted) {
    try {
      await readOnce(path, place, stopping, (name, data) => {
        failures = 0;
        listener.state("live");
        listener.event(name, data);
      });
    } catch (error) {
      if (error instanceof KeyNeeded) {
        listener.state("key");
        return;
      }
    }
    if (stopping.aborted) return;
    failures += 1;
    if (failures > 1 || place.lastId) listener.state("lost");
    await waitOrWake(backoff(failures, Math.random()), stopping);
  }
}

// Return how long to wait before attempt *failures* + 1: doubling, and spread over half of it.
export function backoff(failures: number, random: number): number {
  const longest = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.min(failures - 1, 10));
  return longest * (0.5 + random / 2);
}

type Tell = (name: string, data: unknown) => void;

interface Place {
  lastId: string; // of the newest event; empty: begin with a snapshot
  first: Promise<Beginning> | undefined;
}

async function readOnce(path: string, place: Place, stopping: AbortSignal, tell: Tell): Promise<void> {
  const control = new AbortController();
  const stop = () => control.abort();
  stopping.addEventListener("abort", stop, { once: true });
  let watchdog = setTimeout(stop, WATCHDOG_MS);
  const begin = async () => {
    const asked = place.first ?? fetchBoard(control.signal);
    place.first = undefined;
    const { board, eventId } = await asked;
    tell("board", board);
    tell("lists", await fetchLists(control.signal));
    place.lastId = eventId;
  };
  try {
    if (!place.lastId) await begin();
    const response = await open(path, control.signal, place.lastId);
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    const parse = eventParser();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      clearTimeout(watchdog);
      watchdog = setTimeout(stop, WATCHDOG_MS);
      for (const event of parse(value)) {
        if (event.name === "resync") {
          // the missed events are gone: start again with a snapshot, on a new connection
          place.lastId = "";
          return;
        }
        tell(event.name, JSON.parse(event.data));
        if (event.id) place.lastId = event.id;
      }
    }
  } finally {
    clearTimeout(watchdog);
    stopping.removeEventListener("abort", stop);
    control.abort();
  }
}

// Wait, but not longer than until the network comes back.
function waitOrWake(ms: number, stopping: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      removeEventListener("online", done);
      stopping.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    addEventListener("online", done);
    stopping.addEventListener("abort", done);
  });
}
