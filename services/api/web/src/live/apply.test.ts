import { beforeEach, expect, test } from "vitest";
import { coin, SCAN, scan, signal } from "../testing/coin";
import { apply } from "./apply";
import { cells, exchangeTime, scanned, scans, signals, symbols, tickedAt } from "./store";

const board = (names: string[], more = {}) => ({
  coins: names.map((name) => coin(name)),
  clock_speed: 1,
  exchange_time: SCAN + 1000,
  tick_age_ms: 0,
  ...more,
});

beforeEach(() => {
  apply("board", board(["AAAUSDT", "BBBUSDT"]));
  apply("lists", { scans: [], signals: [], alerts: [] });
});

test("a tick changes prices, their direction and the labels, and never the order", () => {
  const before = [symbols.value, scanned.value];
  apply("prices", { at: SCAN + 2000, prices: { AAAUSDT: 101, XXXUSDT: 5 }, labels: { AAAUSDT: "MOVED" } });
  const cell = cells.get("AAAUSDT")!;
  expect([cell.price.value, cell.moved.value, cell.label.value]).toEqual([101, "up", "MOVED"]);
  expect([symbols.value, scanned.value]).toEqual(before);
  apply("prices", { at: SCAN + 3000, prices: { AAAUSDT: 100 }, labels: {} });
  expect([cell.moved.value, cell.label.value]).toEqual(["down", ""]);
  expect(exchangeTime.value).toBe(SCAN + 3000);
});

test("the age of a snapshot's prices counts from the data, not from its arrival", () => {
  apply("board", board(["AAAUSDT"], { tick_age_ms: 300_000 }));
  expect(Date.now() - tickedAt.value).toBeGreaterThanOrEqual(300_000);
});

test("a card of an older scan does not replace a newer one", () => {
  apply("cards", { scan_id: SCAN, items: [coin("AAAUSDT", { scan_id: SCAN - 300_000, score: 1 })] });
  expect(cells.get("AAAUSDT")!.coin.value.score).toBe(60);
});

test("a coin that two scans left out goes, one that came stays", () => {
  apply("cards", {
    scan_id: SCAN + 600_000,
    items: [coin("BBBUSDT", { scan_id: SCAN + 600_000 }), coin("CCCUSDT", { scan_id: SCAN + 600_000 })],
  });
  apply("scan", scan(SCAN + 600_000));
  expect(symbols.value).toEqual(["BBBUSDT", "CCCUSDT"]);
  expect(cells.has("AAAUSDT")).toBe(false);
});

test("many open scans do not displace those that have settled", () => {
  apply("scan", scan(SCAN));
  for (let at = 1; at < 9; at++) apply("scan", scan(SCAN + at * 300_000, { settled_at: null }));
  expect(scans.value.filter((held) => held.settled_at)).toHaveLength(1);
  expect(scans.value.filter((held) => !held.settled_at)).toHaveLength(3);
});

test("a signal's newest state replaces the one before", () => {
  apply("signal", signal("AAAUSDT"));
  apply("signal", signal("AAAUSDT", { status: "target", result_r: 2.2 }));
  expect(signals.value.map(({ status }) => status)).toEqual(["target"]);
});

test("lists that could not be had stay as they were", () => {
  apply("signal", signal("AAAUSDT"));
  apply("lists", { scans: null, signals: null, alerts: null });
  expect(signals.value).toHaveLength(1);
});
