// The preview's shape, and its figures in words: every figure with its n, never a bare rate.

import type { Side } from "../../api/types";
import { counted } from "../../text/format";

export interface WhatIfSignal {
  symbol: string;
  scan_id: number;
  side: Side;
  r_net: number | null; // null: what became of it is not known
}

export interface WhatIfSide {
  signals: number;
  with_outcome?: number;
  mean_r_net?: number | null;
  hit_rate?: number | null; // 0 to 1
}

export interface WhatIfAnswer {
  scans: number; // stored ones of that time
  missing: number; // those that are not stored
  current: WhatIfSide;
  changed: WhatIfSide;
  gained: WhatIfSignal[];
  lost: WhatIfSignal[];
  note: string | null;
}

const FEW = 30;

export function summaryWords({ signals, with_outcome = 0, mean_r_net, hit_rate }: WhatIfSide): string {
  if (!signals) return "None would have passed.";
  if (!with_outcome) return "What became of them is not known yet: results are stored only for followed setups.";
  const mean = typeof mean_r_net === "number" ? `${mean_r_net >= 0 ? "+" : "−"}${Math.abs(mean_r_net).toFixed(2)} R each after costs` : "";
  const hits = typeof hit_rate === "number" ? `${Math.round(hit_rate * with_outcome)} of ${with_outcome} reached the target` : "";
  const few =
    with_outcome < FEW ? `. ${counted(with_outcome, "result")} ${with_outcome === 1 ? "is" : "are"} too few to tell luck from skill` : "";
  return `Results are known of ${with_outcome}: ${[mean, hits].filter(Boolean).join("; ")}${few}.`;
}
