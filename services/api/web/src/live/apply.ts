// Applies each event of the stream to the state.

import type { Alert, Cards, Coin, Delivery, Prices, Scan, Signal } from "../api/types";
import {
  alerts,
  type BoardSnapshot,
  cellOf,
  cells,
  clockSpeed,
  deliveries,
  exchangeTime,
  type Lists,
  loaded,
  scanned,
  scans,
  signals,
  symbols,
  tickedAt,
} from "./store";

const SCAN_MS = 300_000;
const KEPT = 200;

export function apply(name: string, data: unknown): void {
  if (name === "board") takeBoard(data as BoardSnapshot);
  else if (name === "lists") takeLists(data as Lists);
  else if (name === "cards") takeCards((data as Cards).items);
  else if (name === "scan") takeScan(data as Scan);
  else if (name === "prices") takePrices(data as Prices);
  else if (name === "signal") takeSignal(data as Signal);
  else if (name === "alert") {
    const alert = data as Alert;
    alerts.value = [alert, ...alerts.value.filter((held) => held.alert_id !== alert.alert_id)].slice(0, KEPT);
  } else if (name === "delivery") deliveries.value = [data as Delivery, ...deliveries.value].slice(0, KEPT);
}

function takeBoard(board: BoardSnapshot): void {
  const names = new Set(board.coins.map((coin) => coin.symbol));
  for (const symbol of cells.keys()) if (!names.has(symbol)) cells.delete(symbol);
  for (const coin of board.coins) takeCoin(coin);
  symbols.value = board.coins.map((coin) => coin.symbol);
  clockSpeed.value = board.clock_speed;
  if (board.exchange_time) {
    exchangeTime.value = board.exchange_time;
    tickedAt.value = Date.now() - board.tick_age_ms;
    for (const cell of cells.values()) cell.pricedAt.value = tickedAt.value;
  }
  scanned.value += 1;
  loaded.value = true;
}

// Lists that could not be read stay unchanged.
function takeLists(lists: Lists): void {
  if (lists.scans) scans.value = newestFirst(lists.scans);
  if (lists.signals) signals.value = [...lists.signals].sort((a, b) => b.scan_id - a.scan_id);
  if (lists.alerts) alerts.value = [...lists.alerts].sort((a, b) => b.occurred_at - a.occurred_at);
}

function takeCards(coins: Coin[]): void {
  const fresh = coins.filter((coin) => !cells.has(coin.symbol)).map((coin) => coin.symbol);
  for (const coin of coins) takeCoin(coin);
  if (fresh.length) symbols.value = [...symbols.value, ...fresh];
}

function takeCoin(coin: Coin): void {
  const cell = cellOf(coin);
  const held = cell.coin.peek();
  if (held === coin || coin.scan_id < held.scan_id) return; // held: a new cell has all of it
  // a snapshot repeats most of what is shown: only what differs is drawn anew
  if (coin.scan_id > held.scan_id || JSON.stringify(judged(coin)) !== JSON.stringify(judged(held))) cell.coin.value = coin;
  cell.label.value = coin.live_label;
  if (coin.price_at >= exchangeTime.value) cell.price.value = coin.price;
}

// A coin without what ticks change.
function judged(coin: Coin): Partial<Coin> {
  return { ...coin, price: 0, price_at: 0, live_label: "" };
}

function takeScan(scan: Scan): void {
  scans.value = newestFirst([scan, ...scans.value.filter((held) => held.scan_id !== scan.scan_id)]);
  if (!scan.settled_at) return;
  forgetAbsent(scan.scan_id);
  scanned.value += 1;
}

// Many open scans may wait behind a slow stage: they must not displace those that have ended.
function newestFirst(list: Scan[]): Scan[] {
  const sorted = [...list].sort((a, b) => b.scan_id - a.scan_id);
  const open = sorted.filter((scan) => !scan.settled_at).slice(0, 3);
  return [...open, ...sorted.filter((scan) => scan.settled_at).slice(0, 30)].sort((a, b) => b.scan_id - a.scan_id);
}

// A coin that two scans have left out is no longer on the board.
function forgetAbsent(scanId: number): void {
  const kept = symbols.value.filter((symbol) => (cells.get(symbol)?.coin.value.scan_id ?? 0) >= scanId - SCAN_MS);
  if (kept.length === symbols.value.length) return;
  const names = new Set(kept);
  for (const symbol of symbols.value) if (!names.has(symbol)) cells.delete(symbol);
  symbols.value = kept;
}

function takePrices(tick: Prices): void {
  const at = Date.now();
  exchangeTime.value = tick.at;
  tickedAt.value = at;
  for (const [symbol, price] of Object.entries(tick.prices)) {
    const cell = cells.get(symbol);
    if (!cell) continue;
    const before = cell.price.value;
    if (before !== null && before !== price) cell.moved.value = price > before ? "up" : "down";
    cell.price.value = price;
    cell.pricedAt.value = at;
  }
  for (const cell of cells.values()) cell.label.value = tick.labels[cell.symbol] ?? "";
}

function takeSignal(signal: Signal): void {
  const others = signals.value.filter((held) => held.signal_id !== signal.signal_id);
  signals.value = [signal, ...others].sort((a, b) => b.scan_id - a.scan_id).slice(0, KEPT);
}
