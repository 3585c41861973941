// Events are applied in their order, in one batch per animation frame, and no frame takes more than it can draw in time.

import { batch } from "@preact/signals";

const HIDDEN_MS = 500;
export const FRAME_LOAD = 8; // coins that one frame draws anew

interface How<T> {
  load?: (item: T) => number; // how much of a frame it takes
  add?: (waiting: T[], item: T) => T[]; // where it joins those that wait, or replaces them
}

// Return a function that queues work for *run*.
export function perFrame<T>(run: (item: T) => void, { load = () => 0, add = append }: How<T> = {}): (item: T) => void {
  let waiting: T[] = [];
  let planned = 0;
  const flush = (limit: number) => {
    const items = waiting.slice(0, countWithin(waiting.map(load), limit));
    waiting = waiting.slice(items.length);
    try {
      batch(() => {
        for (const item of items) run(item);
      });
    } finally {
      if (waiting.length) plan();
    }
  };
  const plan = () => {
    const mine = ++planned;
    const once = (limit: number) => {
      if (mine !== planned) return;
      planned += 1;
      flush(limit);
    };
    requestAnimationFrame(() => once(FRAME_LOAD));
    // frames stop while a page is hidden, the events do not
    setTimeout(() => once(document.hidden ? Number.POSITIVE_INFINITY : FRAME_LOAD), HIDDEN_MS);
  };
  return (item) => {
    const idle = !waiting.length;
    waiting = add(waiting, item);
    if (idle) plan();
  };
}

function append<T>(waiting: T[], item: T): T[] {
  return [...waiting, item];
}

// Return how many of *loads*, from the first on, fit into *limit*; the first always does.
export function countWithin(loads: number[], limit: number): number {
  let sum = loads[0] ?? 0;
  let count = 1;
  while (count < loads.length && sum + loads[count]! <= limit) sum += loads[count++]!;
  return Math.min(count, loads.length);
}
