// What the API sends: the shapes of services/api/present.py.

export type Side = "long" | "short";

export interface Verdict {
  gate: string;
  passed: boolean;
  value: number | null;
  threshold: number;
  distance: number | null;
  reason: string;
}

export interface Row {
  symbol: string;
  scan_id: number;
  side: Side;
  score: number;
  fmqs: number | null;
  confidence: number;
  regime: string;
  strength: number;
  price: number | null;
  change_24h: number | null;
  reward_to_risk: number | null;
  weak: boolean | null;
  appeared: boolean;
  passed: boolean;
  gates_passed: number;
  outcome: string;
  problem: string;
  estimated: string[];
  gates: Verdict[];
}

export interface Signal {
  signal_id: string;
  symbol: string;
  side: Side;
  scan_id: number;
  entry: number;
  stop: number;
  target: number;
  atr?: number;
  reward_to_risk: number | null;
  weak: boolean;
  score: number;
  strength: number;
  regime: string;
  status: string;
  label: string;
  announced: string;
  result_r: number | null;
  estimated: string[];
}

export interface Scan {
  scan_id: number;
  settled_at: number | null;
  symbols?: number;
  analysed?: number;
  passed?: number;
  alerts?: number;
  seconds?: number | null;
  degraded?: string;
  at_deadline?: boolean;
}

export interface Alert {
  alert_id: string;
  kind: string;
  symbol: string;
  side: Side | null;
  occurred_at: number;
  scan_id: number;
  headline: string;
  held_by: string;
  body: Record<string, unknown>;
}

export interface Tick {
  at: number;
  prices: Record<string, number>;
}

export interface Board {
  now: number;
  scans: Scan[];
  rows: Row[];
  signals: Signal[];
  alerts: Alert[];
  tick: Tick | null;
}

export interface Delivery {
  report_id: string;
  destination: string;
  status: string;
}

export interface Chart {
  open_time: number[];
  open: number[];
  high: number[];
  low: number[];
  close: number[];
  volume: number[];
}

export interface Explanation extends Row {
  groups: { name: string; vote: number; agrees: boolean; votes: Record<string, number> }[];
  timeframes: { interval: string; regime: string; long_score: number; short_score: number; squeeze: boolean }[];
  fmqs_detail: { components: Record<string, { score: number | null; detail: string }>; capped_by: string } | null;
  levels: { entry: number; stop: number; target: number; stop_reason: string; target_reason: string } | null;
  confidence_parts: Record<string, number>;
  chart: Chart | null;
}
