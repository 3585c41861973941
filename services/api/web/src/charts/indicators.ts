// The few series that the coin's chart draws over its bars; NaN until warm.  Definitions: docs/indicators.md.

export function ema(values: number[], period: number): number[] {
  const out = new Array<number>(values.length).fill(Number.NaN);
  if (values.length < period) return out;
  let average = values.slice(0, period).reduce((sum, value) => sum + value, 0) / period;
  out[period - 1] = average;
  for (let at = period; at < values.length; at++) {
    average += (2 / (period + 1)) * (values[at]! - average);
    out[at] = average;
  }
  return out;
}

// Wilder's average of *values*, which begin at *from*.
function wilder(values: number[], period: number, from: number): number[] {
  const out = new Array<number>(values.length).fill(Number.NaN);
  if (values.length < from + period) return out;
  let average = values.slice(from, from + period).reduce((sum, value) => sum + value, 0) / period;
  out[from + period - 1] = average;
  for (let at = from + period; at < values.length; at++) {
    average += (values[at]! - average) / period;
    out[at] = average;
  }
  return out;
}

export function rsi(close: number[], period = 14): number[] {
  const changes = close.map((value, at) => (at ? value - close[at - 1]! : 0));
  const gains = wilder(
    changes.map((change) => Math.max(0, change)),
    period,
    1,
  );
  const losses = wilder(
    changes.map((change) => Math.max(0, -change)),
    period,
    1,
  );
  return gains.map((gain, at) => (losses[at] === 0 ? 100 : 100 - 100 / (1 + gain / losses[at]!)));
}

export function macd(close: number[]): { line: number[]; signal: number[]; histogram: number[] } {
  const slow = ema(close, 26);
  const line = ema(close, 12).map((value, at) => value - slow[at]!);
  const start = line.findIndex((value) => !Number.isNaN(value));
  const blank = new Array<number>(Math.max(0, start)).fill(Number.NaN);
  const signal = start < 0 ? line : [...blank, ...ema(line.slice(start), 9)];
  return { line, signal, histogram: line.map((value, at) => value - signal[at]!) };
}

export interface Trend {
  value: number[];
  up: boolean[];
}

export function supertrend(high: number[], low: number[], close: number[], period = 10, multiplier = 3): Trend {
  const range = close.map((_, at) =>
    at ? Math.max(high[at]!, close[at - 1]!) - Math.min(low[at]!, close[at - 1]!) : high[at]! - low[at]!,
  );
  const atr = wilder(range, period, 0);
  const value = new Array<number>(close.length).fill(Number.NaN);
  const up = new Array<boolean>(close.length).fill(true);
  let upper = Number.POSITIVE_INFINITY;
  let lower = Number.NEGATIVE_INFINITY;
  let rising = false; // as the first bar of TradingView's
  for (let at = 0; at < close.length; at++) {
    if (Number.isNaN(atr[at]!)) continue;
    const middle = (high[at]! + low[at]!) / 2;
    const before = close[at - 1] ?? close[at]!;
    const nextUpper = middle + multiplier * atr[at]!;
    const nextLower = middle - multiplier * atr[at]!;
    upper = nextUpper < upper || before > upper ? nextUpper : upper;
    lower = nextLower > lower || before < lower ? nextLower : lower;
    rising = rising ? close[at]! >= lower : close[at]! > upper;
    value[at] = rising ? lower : upper;
    up[at] = rising;
  }
  return { value, up };
}

const DAY_MS = 86_400_000;

// Volume-weighted average price since 00:00 UTC of each day; NaN on a first day that is not whole.
export function vwap(time: number[], high: number[], low: number[], close: number[], volume: number[]): number[] {
  const first = (time[0] ?? 0) % DAY_MS ? Math.floor((time[0] ?? 0) / DAY_MS) : -1;
  let day = -1;
  let money = 0;
  let coins = 0;
  return time.map((at, index) => {
    const today = Math.floor(at / DAY_MS);
    if (today !== day) {
      day = today;
      money = 0;
      coins = 0;
    }
    money += ((high[index]! + low[index]! + close[index]!) / 3) * volume[index]!;
    coins += volume[index]!;
    return coins && today !== first ? money / coins : Number.NaN;
  });
}
