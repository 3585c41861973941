import { expect, test } from "vitest";
import { onBars } from "./coinChart";
import { ema, macd, rsi, supertrend, vwap } from "./indicators";

const rising = Array.from({ length: 60 }, (_, at) => 100 + at);

test("an EMA begins with the mean and follows", () => {
  expect(ema([1, 2, 3, 4], 3)).toEqual([Number.NaN, Number.NaN, 2, 3]);
});

test("RSI is 100 without losses and 50 where gains and losses are equal", () => {
  expect(rsi(rising).at(-1)).toBe(100);
  expect(rsi(rising)[13]).toBeNaN();
  const level = Array.from({ length: 15 }, (_, at) => (at % 2 ? 101 : 100));
  expect(rsi(level).at(-1)).toBeCloseTo(50);
});

test("MACD of a straight line is the lag of its averages", () => {
  const { line, signal, histogram } = macd(rising);
  expect(line.at(-1)).toBeCloseTo(7);
  expect(histogram.at(-1)).toBeCloseTo(line.at(-1)! - signal.at(-1)!);
});

test("Supertrend stands below a rise and above a fall", () => {
  const bars = (close: number[]) =>
    supertrend(
      close.map((value) => value + 1),
      close.map((value) => value - 1),
      close,
    );
  const up = bars(rising);
  expect(up.up.at(-1)).toBe(true);
  expect(up.value.at(-1)!).toBeLessThan(rising.at(-1)!);
  const falling = [...rising].reverse();
  expect(bars(falling).up.at(-1)).toBe(false);
});

test("VWAP starts anew at midnight UTC, and a first day that is not whole has none", () => {
  const day = 86_400_000;
  const times = [day / 2, day, day + 1, 2 * day];
  const found = vwap(times, [2, 2, 4, 9], [2, 2, 4, 9], [2, 2, 4, 9], [1, 1, 3, 1]);
  expect(found).toEqual([Number.NaN, 2, 3.5, 9]);
});

test("points are put on the bars that they fall into, the newest of each", () => {
  const time = (ms: number) => ms as never;
  expect(onBars({ times: [5, 11, 12, 35], values: [0, 1, 2, 3] }, [10, 20, 30], time, 2)).toEqual([
    { time: 10, value: 4 },
    { time: 30, value: 6 },
  ]);
});
