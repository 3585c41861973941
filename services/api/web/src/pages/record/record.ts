// The record's figures in words: a share never without its n and interval.

import type { components } from "../../api/schema";
import { inR } from "../../text/format";

type Models = components["schemas"];

export type Whole = Models["Record"];
export type Group = Models["Group"];
export type Estimate = Pick<Models["Estimate"], "mean" | "low" | "high">;
export type Calibration = Models["Calibration"];
export type Aftermath = Models["Aftermath"];

const MEANS: [begin: string, words: string][] = [
  ["too few", "Nothing can be concluded yet: with so few signals, luck and skill look the same."],
  ["no edge", "After costs, the signals did not earn more than zero and more than the controls by more than chance explains."],
  ["edge in the sample", "The edge was there in the first two thirds of the days and is not shown in the last third: do not rely on it."],
  ["edge holds", "After costs, the signals earned more than zero and more than the controls, also in the last third of the days."],
];

export function meaning(verdict: string): string {
  return MEANS.find(([begin]) => verdict.startsWith(begin))?.[1] ?? "";
}

// The 95 % interval of a share by Wilson (1927); null without trials.
export function wilson(share: number, n: number): [low: number, high: number] | null {
  if (!n) return null;
  const z = 1.96;
  const middle = (share + (z * z) / (2 * n)) / (1 + (z * z) / n);
  const half = (z / (1 + (z * z) / n)) * Math.sqrt((share * (1 - share)) / n + (z * z) / (4 * n * n));
  return [Math.max(0, middle - half), Math.min(1, middle + half)];
}

export function shareWords(share: number | null, n: number): string {
  const interval = share === null ? null : wilson(share, n);
  if (share === null || !interval) return "–";
  const percent = (value: number) => (value * 100).toFixed(0);
  return `${Math.round(share * n)} of ${n} (${percent(interval[0])} to ${percent(interval[1])} %)`;
}

export function rangeWords({ mean, low, high }: Estimate): string {
  if (mean === null) return "–";
  return low === null || high === null ? `${inR(mean)} (no interval yet)` : `${inR(mean)} (${inR(low)} to ${inR(high)})`;
}
