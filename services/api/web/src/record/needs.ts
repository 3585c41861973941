// A setup's costs in R, and the share of targets at which it breaks even.

export const USUAL_COSTS = 0.0014; // of a round trip, fraction of the price: the default of analysis.costs

export interface Needs {
  cost: number; // R
  hitRate: number; // 0 to 1
}

export interface Plan {
  entry: number;
  stop: number;
  target: number;
  worth?: { cost_r: number; break_even: number } | null; // as its alert or its scan said it
}

// What a plan was said to need, else what it needs at *costs* of a round trip, a fraction of the price; null where
// nothing is risked.
export function needsOf({ entry, stop, target, worth }: Plan, costs: number): Needs | null {
  if (worth) return { cost: worth.cost_r, hitRate: Math.min(1, worth.break_even) };
  const risk = Math.abs(entry - stop);
  if (!risk) return null;
  const cost = (costs * entry) / risk;
  return { cost, hitRate: Math.min(1, (1 + cost) / (1 + Math.abs(target - entry) / risk)) };
}

// Of 100 such trades, how many have to reach the target.
export const needed = ({ hitRate }: Needs): number => Math.ceil(hitRate * 100);

export function needsWords(needs: Needs): string {
  return `costs ${needs.cost.toFixed(2)} R · needs ${needed(needs)} of 100`;
}
