// Large events in portions that a frame can draw: their sum changes the same as the whole.

import type { Cards, Coin, Prices } from "../api/types";
import { FRAME_LOAD } from "./frames";
import { type BoardSnapshot, cells } from "./store";

export type Event = [name: string, data: unknown];

const PRICE_LOAD = 0.04; // of a coin drawn anew: a price changes one text

// Put *event* behind those that wait; ticks that were not drawn yet become one with a newer tick, and a coin's newer
// card takes the place of its older one: however slowly a page draws, no more waits than all coins.
export function joined(waiting: Event[], event: Event): Event[] {
  if (event[0] === "cards") return withCards(waiting, event[1] as Cards);
  if (event[0] !== "prices") return [...waiting, ...portions(event)];
  const older = waiting.filter(([name]) => name === "prices").map(([, data]) => (data as Prices).prices);
  const newest = event[1] as Prices;
  const prices = Object.assign({}, ...older, newest.prices);
  return [...waiting.filter(([name]) => name !== "prices"), ...portions(["prices", { ...newest, prices }])];
}

function withCards(waiting: Event[], cards: Cards): Event[] {
  const left = new Map<string, Coin>(cards.items.map((coin) => [coin.symbol, coin]));
  const newest = (coin: Coin) => {
    const newer = left.get(coin.symbol);
    left.delete(coin.symbol);
    return newer ?? coin;
  };
  const renewed = waiting.map(([name, data]): Event => {
    if (name !== "cards") return [name, data];
    const older = data as Cards;
    return [name, { ...older, items: older.items.map(newest) }];
  });
  return left.size ? [...renewed, ...cardsIn({ ...cards, items: [...left.values()] })] : renewed;
}

export function portions([name, data]: Event): Event[] {
  if (name === "cards") return cardsIn(data as Cards);
  if (name === "prices") return pricesIn(data as Prices);
  if (name === "board" && cells.size) {
    // What is shown changes first, a few cards at a time; the rest of the snapshot finds it done.
    // The first snapshot is taken whole: nothing is shown yet, and the board draws its cards a few a frame.
    const { coins } = data as BoardSnapshot;
    return [...cardsIn({ scan_id: coins[0]?.scan_id ?? 0, items: coins }), [name, data]];
  }
  return [[name, data]];
}

export function loadOf([name, data]: Event): number {
  if (name === "cards") return (data as Cards).items.length;
  if (name === "prices") return Object.keys((data as Prices).prices).length * PRICE_LOAD;
  return name === "board" || name === "scan" ? FRAME_LOAD : 0;
}

function cardsIn(cards: Cards): Event[] {
  return chunks(cards.items, FRAME_LOAD).map((items) => ["cards", { ...cards, items }]);
}

function pricesIn(tick: Prices): Event[] {
  const parts = chunks(Object.entries(tick.prices), Math.floor(FRAME_LOAD / PRICE_LOAD));
  if (parts.length < 2) return [["prices", tick]];
  return parts.map((part) => ["prices", { ...tick, prices: Object.fromEntries(part) }]);
}

function chunks<T>(items: T[], size: number): T[][] {
  const out: T[][] = [];
  for (let at = 0; at < items.length; at += size) out.push(items.slice(at, at + size));
  return out;
}
