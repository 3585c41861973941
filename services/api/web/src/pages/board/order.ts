// Which coins the board shows, and in which order.

import type { Coin } from "../../api/types";

const MOST_GATES = 20; // more than there will be: an address is only so far believed

export const SORTS = {
  rank: "rank",
  score: "score",
  confidence: "confidence",
  fmqs: "FMQS",
  gates: "gates",
  ratio: "R:R",
  change: "24 h",
  name: "name",
} as const;
export type Sort = keyof typeof SORTS;

export interface View {
  sort: Sort;
  side: string;
  regime: string;
  gates: number; // at least so many passed
  near: boolean; // gates 1 to 6 but not 7, or one gate short
  favourites: boolean;
  text: string;
  density: "full" | "compact" | "tiles";
  layout: "cards" | "table";
}

export function viewOf(query: URLSearchParams): View {
  const one = <T extends string>(name: string, known: readonly T[], usual: T): T => {
    const value = query.get(name) as T;
    return known.includes(value) ? value : usual;
  };
  return {
    sort: one("sort", Object.keys(SORTS) as Sort[], "rank"),
    side: one("side", ["", "long", "short"], ""),
    regime: one("regime", ["", "TRENDING", "RANGING", "VOLATILE"], ""),
    gates: Math.max(0, Math.min(MOST_GATES, Math.trunc(Number(query.get("gates"))) || 0)),
    near: query.get("near") === "1",
    favourites: query.get("fav") === "1",
    text: query.get("q") ?? "",
    density: one("density", ["full", "compact", "tiles"] as const, "full"),
    layout: one("view", ["cards", "table"] as const, "cards"),
  };
}

export function shows(coin: Coin, view: View, favourites: ReadonlySet<string>): boolean {
  if (view.side && coin.side !== view.side) return false;
  if (view.regime && coin.regime !== view.regime) return false;
  if (coin.gates_passed < view.gates) return false;
  if (view.near && !isNearMiss(coin)) return false;
  if (view.favourites && !favourites.has(coin.symbol)) return false;
  return coin.symbol.includes(view.text.trim().toUpperCase());
}

export function isNearMiss(coin: Coin): boolean {
  return !coin.passed && coin.gates.length > 0 && coin.gates_passed >= coin.gates.length - 1;
}

const KEYS: Record<Exclude<Sort, "rank" | "name">, (coin: Coin) => number | null> = {
  score: (coin) => coin.score,
  confidence: (coin) => coin.confidence,
  fmqs: (coin) => coin.fmqs,
  gates: (coin) => coin.gates_passed,
  ratio: (coin) => coin.levels?.reward_to_risk ?? null,
  change: (coin) => coin.change_24h,
};

// Highest first; coins without a value last; ties by rank, then by name.
export function compare(sort: Sort): (a: Coin, b: Coin) => number {
  const byName = (a: Coin, b: Coin) => (a.symbol < b.symbol ? -1 : a.symbol > b.symbol ? 1 : 0);
  if (sort === "name") return byName;
  const byRank = (a: Coin, b: Coin) =>
    Number(b.passed) - Number(a.passed) || Number(b.appeared) - Number(a.appeared) || b.score - a.score || byName(a, b);
  if (sort === "rank") return byRank;
  const key = KEYS[sort];
  return (a, b) => (key(b) ?? Number.NEGATIVE_INFINITY) - (key(a) ?? Number.NEGATIVE_INFINITY) || byRank(a, b);
}
