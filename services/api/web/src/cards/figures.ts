// A coin's indicator values as a card lists them: name, text, and whether they stand out.

import type { Figures } from "../api/types";
import { fixed, percent, signed, whole } from "../text/format";

export interface FigureText {
  name: string;
  text: string;
  hint: string;
  tone: "" | "high" | "low";
}

type Reading = [name: string, hint: string, value: number | null, show: (value: number | null) => string, low?: number, high?: number];

export function figureTexts(found: Figures): FigureText[] {
  const readings: Reading[] = [
    ["RSI", "relative strength index", found.rsi, whole, 30, 70],
    ["ADX", "trend strength", found.adx, whole],
    ["MFI", "money flow index", found.mfi, whole, 20, 80],
    ["Stoch", "stochastic RSI, %K", found.stoch_rsi, whole, 20, 80],
    ["CCI", "commodity channel index", found.cci, whole, -100, 100],
    ["VWAP", "price above or below VWAP", found.vwap_distance, percent],
    ["OI", "change of open interest", found.open_interest_change, percent],
    ["Taker", "bought by takers against sold", found.taker_ratio, fixed],
    ["Fund", "funding rate, as of 8 hours", found.funding_8h, (value) => (value === null ? "–" : `${signed(value * 100, 3)} %`)],
  ];
  return readings.map(([name, hint, value, show, low, high]) => ({
    name,
    text: show(value),
    hint: `${hint}, ${found.interval}`,
    tone: value === null ? "" : low !== undefined && value <= low ? "low" : high !== undefined && value >= high ? "high" : "",
  }));
}
