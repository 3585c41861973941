// A coin, a signal and a scan for the tests.

import type { Coin, Gate, Scan, Signal } from "../api/types";

export const SCAN = 1_757_000_100_000;
const NAMES = ["score", "fmqs", "squeeze", "volume", "groups", "timeframes", "persistence"];

export function gates(passed: number): Gate[] {
  return NAMES.map((gate, at) => ({
    number: at + 1,
    gate,
    title: gate,
    passed: at < passed,
    value: at < passed ? 2 : 0.8,
    threshold: 1.2,
    distance: at < passed ? 0.8 : -0.4,
    reason: at < passed ? "ok" : "too low",
    missing: at < passed ? "" : `${gate} 0.8 of 1.2`,
  }));
}

export function coin(symbol: string, changes: Partial<Coin> = {}): Coin {
  const passed = changes.gates_passed ?? 6;
  return {
    symbol,
    scan_id: SCAN,
    tick_size: 0.01,
    side: "long",
    price: 100,
    price_at: SCAN,
    close: 100,
    change_24h: 0.01,
    score: 60,
    long_score: 60,
    short_score: 40,
    confidence: 38,
    forecast: "plain",
    expected_r: -0.1,
    agreement: 50,
    fmqs: 55,
    strength: 3,
    regime: "TRENDING",
    figures: {
      interval: "1h",
      rsi: 55,
      adx: 22,
      mfi: 60,
      stoch_rsi: 40,
      cci: 20,
      vwap_distance: 0.01,
      open_interest_change: 0.002,
      taker_ratio: 1.1,
      funding_8h: 0.0001,
      global_ratio: 1,
      top_ratio: 1,
      imbalance: 0,
      funding_age: 60,
      open_interest_age: 60,
      ratio_age: 60,
    },
    alignment: [],
    levels: null,
    worth: null,
    gates: gates(passed),
    gates_passed: passed,
    thresholds: { score: 65, fmqs: 50 },
    appeared: passed >= 6,
    passed: passed === 7,
    outcome: "rejected",
    problem: "",
    signal_id: "",
    signal: null,
    live_label: "",
    estimated: [],
    unavailable: [],
    young: [],
    chart: { interval: "15m", first_open_time: null, closes: [], supports: [], resistances: [] },
    ...changes,
  };
}

export function scan(scan_id: number, changes: Partial<Scan> = {}): Scan {
  return {
    scan_id,
    opened_at: scan_id,
    settings_version: 1,
    symbols: 2,
    degraded: "",
    not_opened: {},
    settled_at: scan_id + 2000,
    analysed: 2,
    passed: 0,
    alerts: 0,
    missing: [],
    at_deadline: false,
    seconds: 1,
    ...changes,
  };
}

export function signal(symbol: string, changes: Partial<Signal> = {}): Signal {
  return {
    signal_id: `${symbol}:long:${SCAN}`,
    alert_id: `signal:${symbol}`,
    group_id: "",
    symbol,
    side: "long",
    scan_id: SCAN,
    entry: 100,
    stop: 98,
    target: 106,
    atr: 1.5,
    reward_to_risk: 2.1,
    weak: false,
    score: 72,
    fmqs: 57,
    confidence: 36,
    agreement: 61,
    regime: "TRENDING",
    strength: 3,
    estimated: [],
    status: "open",
    label: "",
    announced: "",
    closed_at: null,
    close_price: null,
    close_reason: "",
    result_r: null,
    best_r: 0,
    worst_r: 0,
    worth: null,
    ...changes,
  };
}
