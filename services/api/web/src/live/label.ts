// Live labels (SL HIT, DANGER, CAUTION, MOVED, TP HIT) come with the prices; here is how they look.

import type { Signal } from "../api/types";

// Return what the price has gained since the entry, in units of the risk taken.
export function gainedR(signal: Pick<Signal, "entry" | "stop" | "side">, price: number): number {
  const risk = Math.abs(signal.entry - signal.stop) || 1;
  return ((signal.side === "long" ? 1 : -1) * (price - signal.entry)) / risk;
}

export function labelTone(label: string): "bad" | "fair" | "good" | "" {
  if (label === "SL HIT" || label === "DANGER") return "bad";
  if (label === "CAUTION") return "fair";
  return label ? "good" : "";
}
