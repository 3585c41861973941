// A long list takes a new order, or its first one, a few places each frame: so that no frame draws them all.

import { useEffect, useState } from "preact/hooks";

const STEP = 6; // places in sight that one frame draws anew
const SEEN = 72; // about what a large screen shows
const BEHIND = 0.5; // of a place in sight: what cannot be seen is neither laid out nor painted
const NEW = 1.5; // of a place that has its elements already

type Cost = (place: number) => number; // of drawing what stands there anew

// Return *target* as far as it is reached: each frame a few more places are as in it.
export function useGradual<T>(target: T[], costOf: Cost = costOfCard): T[] {
  const [reached, reach] = useState<{ target: T[]; list: T[] }>(() => ({ target, list: nearer([], target, costOf) }));
  useEffect(() => {
    if (sameItems(reached.list, target)) return;
    const frame = requestAnimationFrame(() => reach({ target, list: nearer(reached.list, target, costOf) }));
    return () => cancelAnimationFrame(frame);
  }, [reached, target]);
  return reached.list;
}

// Return *list* with a few more of its first places as in *target*; what left *target* is gone at once.
// Two items change places, and the last one takes the place of one that left: nothing between them moves.
export function nearer<T>(list: T[], target: T[], costOf: Cost = costOfCard): T[] {
  const next = without(list, new Set(target));
  const places = new Map(next.map((item, place) => [item, place]));
  let load = 0;
  for (const [place, item] of target.entries()) {
    const held = next[place];
    if (held === item) continue;
    const from = places.get(item);
    load += from === undefined ? NEW * costOf(place) : costOf(place) + costOf(from);
    if (load > STEP) break;
    next[place] = item;
    places.set(item, place);
    if (held === undefined) continue;
    next[from ?? next.length] = held;
    places.set(held, from ?? next.length - 1);
  }
  return next;
}

function without<T>(list: T[], wanted: ReadonlySet<T>): T[] {
  const count = list.filter((item) => wanted.has(item)).length;
  const spare = list.slice(count).filter((item) => wanted.has(item));
  return list.slice(0, count).map((item) => (wanted.has(item) ? item : spare.pop()!));
}

function costOfCard(place: number): number {
  return place < SEEN ? 1 : BEHIND;
}

function sameItems<T>(one: T[], other: T[]): boolean {
  return one.length === other.length && one.every((item, at) => item === other[at]);
}
