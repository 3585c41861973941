// The page's state: the board as the stream told it.

import type { Alert, Board, Delivery, Row, Scan, Signal, Tick } from "./types";

export interface State {
  connected: boolean;
  needsKey: boolean;
  heard: number; // wall clock of the last event
  scans: Map<number, Scan>;
  rows: Map<string, Row>;
  signals: Map<string, Signal>;
  alerts: Alert[];
  delivered: Map<string, number>; // status -> reports since the page was opened
  prices: Record<string, number>;
  exchangeNow: number;
  database: string; // ok or away
}

export const state: State = {
  connected: false,
  needsKey: false,
  heard: 0,
  scans: new Map(),
  rows: new Map(),
  signals: new Map(),
  alerts: [],
  delivered: new Map(),
  prices: {},
  exchangeNow: 0,
  database: "ok",
};

const SCAN_MS = 300_000;
const ENDS = new Set(["target", "stop", "invalidated", "expired"]);

export function take(name: string, data: unknown): void {
  state.connected = true;
  state.heard = Date.now();
  if (name === "board") takeBoard(data as Board);
  else if (name === "row") takeRow(data as Row);
  else if (name === "scan") takeScan(data as Scan);
  else if (name === "alert") takeAlert(data as Alert);
  else if (name === "prices") takeTick(data as Tick);
  else if (name === "delivery") {
    const { status } = data as Delivery;
    state.delivered.set(status, (state.delivered.get(status) ?? 0) + 1);
  }
}

function takeBoard(board: Board): void {
  state.rows = new Map(board.rows.map((row) => [row.symbol, row]));
  state.scans = new Map(board.scans.map((scan) => [scan.scan_id, scan]));
  state.signals = new Map(board.signals.map((signal) => [signal.signal_id, signal]));
  state.alerts = board.alerts;
  if (board.tick) takeTick(board.tick);
}

function takeRow(row: Row): void {
  state.rows.set(row.symbol, row);
  for (const [symbol, held] of state.rows) if (held.scan_id < row.scan_id - SCAN_MS) state.rows.delete(symbol);
}

function takeScan(scan: Scan): void {
  state.scans.set(scan.scan_id, { ...state.scans.get(scan.scan_id), ...scan });
  const newest = [...state.scans.values()].sort((a, b) => b.scan_id - a.scan_id);
  // many open scans may wait behind a slow stage: they must not displace those that have ended
  const kept = [...newest.filter((held) => !held.settled_at).slice(0, 3), ...newest.filter((held) => held.settled_at).slice(0, 20)];
  state.scans = new Map(kept.map((held) => [held.scan_id, held]));
}

function takeTick(tick: Tick): void {
  state.prices = tick.prices;
  state.exchangeNow = tick.at;
}

function takeAlert(alert: Alert): void {
  state.alerts = [...state.alerts.filter((held) => held.alert_id !== alert.alert_id), alert].slice(-50);
  for (const signal of opened(alert)) if (!state.signals.has(signal.signal_id)) state.signals.set(signal.signal_id, signal);
  if (alert.kind === "lifecycle") takeLifecycle(alert.body);
}

function takeLifecycle(body: Record<string, unknown>): void {
  const signal = state.signals.get(String(body.signal_id));
  if (!signal) return;
  const event = String(body.event);
  if (!ENDS.has(event)) signal.label = event;
  else if (body.early) signal.announced = event;
  else Object.assign(signal, { status: event, result_r: body.result_r });
}

// A signal as an alert tells of it; a grouped alert opens many.
function opened(alert: Alert): Signal[] {
  const common = { status: "open", label: "", announced: "", result_r: null, estimated: [] };
  const body = alert.body as Record<string, any>;
  if (alert.kind === "signal" && body.analysis.levels) {
    const { score, strength, regime, scan_id, levels } = body.analysis;
    return [{ ...common, ...levels, score, strength, regime, scan_id, symbol: alert.symbol, side: body.side, signal_id: body.signal_id }];
  }
  if (alert.kind === "group")
    return body.members.map((member: any) => ({ ...common, ...member, side: body.side, scan_id: alert.scan_id }));
  return [];
}

export function ranked(): Row[] {
  return [...state.rows.values()].sort(
    (a, b) =>
      Number(b.passed) - Number(a.passed) ||
      Number(b.appeared) - Number(a.appeared) ||
      b.score - a.score ||
      a.symbol.localeCompare(b.symbol),
  );
}
