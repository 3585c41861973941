// The page's state: one cell of signals per coin, and the lists beside them.

import { type Signal as Cell, signal } from "@preact/signals";
import type { Alert, Coin, Delivery, Scan, Signal } from "../api/types";

// The fields of a coin that change together share a signal: all of a scan, and what a tick brings.
export interface CoinCell {
  symbol: string;
  coin: Cell<Coin>;
  price: Cell<number | null>;
  moved: Cell<"" | "up" | "down">; // the last tick's direction
  label: Cell<string>; // SL HIT, DANGER, CAUTION, MOVED, TP HIT
  pricedAt: Cell<number>; // wall clock of the price, ms
}

export type ConnectionState = "connecting" | "live" | "lost" | "key";

export const cells = new Map<string, CoinCell>();
export const symbols = signal<string[]>([]); // which coins there are: changes with a scan only
export const scanned = signal(0); // counts scans: sorting follows it and nothing faster
export const scans = signal<Scan[]>([]); // newest first
export const signals = signal<Signal[]>([]); // newest first
export const alerts = signal<Alert[]>([]); // newest first
export const deliveries = signal<Delivery[]>([]); // newest first, since the page was opened
export const connection = signal<ConnectionState>("connecting");
export const loaded = signal(false);
export const exchangeTime = signal(0); // of the newest tick
export const clockSpeed = signal(1); // of the exchange's clock; 1 but for simulations
export const tickedAt = signal(0); // wall clock of the newest tick, ms; 0: none yet

export function cellOf(coin: Coin): CoinCell {
  let cell = cells.get(coin.symbol);
  if (!cell) {
    cell = {
      symbol: coin.symbol,
      coin: signal(coin),
      price: signal(coin.price),
      moved: signal<"" | "up" | "down">(""),
      label: signal(coin.live_label),
      pricedAt: signal(0),
    };
    cells.set(coin.symbol, cell);
  }
  return cell;
}

// A page's first state: from the API, or from the tab that holds the connection.
export interface BoardSnapshot {
  coins: Coin[];
  clock_speed: number;
  exchange_time: number | null;
  tick_age_ms: number; // wall time since the newest tick
}

// null: could not be read.
export interface Lists {
  scans: Scan[] | null;
  signals: Signal[] | null;
  alerts: Alert[] | null;
}

export function snapshotOfThisTab(): [board: BoardSnapshot, lists: Lists] {
  const board = {
    coins: [...cells.values()].map((cell) => ({
      ...cell.coin.value,
      price: cell.price.value,
      price_at: exchangeTime.value,
      live_label: cell.label.value as Coin["live_label"],
    })),
    clock_speed: clockSpeed.value,
    exchange_time: exchangeTime.value || null,
    tick_age_ms: tickedAt.value ? Date.now() - tickedAt.value : 0,
  };
  return [board, { scans: scans.value, signals: signals.value, alerts: alerts.value }];
}
