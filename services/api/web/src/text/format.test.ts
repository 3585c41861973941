import { expect, test } from "vitest";
import { bytes, coinName, percent, price, signed, tickPrice, whole } from "./format";
import { age } from "./time";

test("prices have as many digits as their size asks for", () => {
  expect([price(80_231.1), price(1.1273), price(0.00001234), price(null)]).toEqual(["80,231.10", "1.1273", "0.00001234", "–"]);
  expect([tickPrice(1.5, 0.0001), tickPrice(27, 0.5), tickPrice(1.5, 0)]).toEqual(["1.5000", "27.0", "1.50"]);
});

test("signs are written, and no zero is negative", () => {
  expect([percent(0.0123), percent(-0.5), signed(0), whole(-0.2), whole(null)]).toEqual(["+1.23 %", "−50.00 %", "+0.00", "0", "–"]);
});

test("bytes have the unit of their size", () => {
  expect([bytes(0), bytes(999), bytes(1_234_567), bytes(64e9), bytes(null)]).toEqual(["0 B", "999 B", "1.23 MB", "64 GB", "–"]);
});

test("a coin's name is without its quote", () => {
  expect([coinName("BTCUSDT"), coinName("USDT"), coinName("X")]).toEqual(["BTC", "USDT", "X"]);
});

test("ages are whole and short", () => {
  expect([age(-5), age(99_000), age(240_000), age(7_200_000), age(300_000_000)]).toEqual(["0 s", "99 s", "4 min", "2 h", "3 d"]);
});
