import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Coin } from "../api/types";
import { coin, SCAN } from "../testing/coin";
import { apply } from "./apply";
import { countWithin, FRAME_LOAD, perFrame } from "./frames";
import { joined, loadOf, portions } from "./portions";
import { cells } from "./store";

let frames: (() => void)[] = [];

beforeEach(() => {
  vi.useFakeTimers();
  frames = [];
  vi.stubGlobal("requestAnimationFrame", (run: () => void) => frames.push(run));
});

afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

const frame = () => {
  const due = frames;
  frames = [];
  for (const run of due) run();
};

test("items keep their order, and a frame takes no more than its load", () => {
  const done: number[] = [];
  const queue = perFrame<number>((item) => done.push(item), { load: () => FRAME_LOAD / 2 });
  for (const item of [1, 2, 3, 4, 5]) queue(item);
  frame();
  expect(done).toEqual([1, 2]);
  frame();
  frame();
  expect(done).toEqual([1, 2, 3, 4, 5]);
  expect(frames).toEqual([]);
});

test("a hidden page, which has no frames, takes all that waits at once", () => {
  vi.stubGlobal("document", { hidden: true });
  const done: number[] = [];
  const queue = perFrame<number>((item) => done.push(item), { load: () => FRAME_LOAD });
  for (const item of [1, 2, 3]) queue(item);
  vi.advanceTimersByTime(600);
  expect(done).toEqual([1, 2, 3]);
  frame();
  expect(done).toEqual([1, 2, 3]);
});

test("one item that is larger than a frame is taken alone", () => {
  expect(countWithin([50, 1], 10)).toBe(1);
  expect(countWithin([4, 4, 4], 10)).toBe(2);
  expect(countWithin([], 10)).toBe(0);
});

test("the portions of a scan's cards change the same as all of them", () => {
  const items = Array.from({ length: 30 }, (_, at) => coin(`C${at}USDT`));
  const parts = portions(["cards", { scan_id: SCAN, items }]);
  expect(parts.map(loadOf)).toEqual([8, 8, 8, 6]);
  for (const [name, data] of parts) apply(name, data);
  expect(cells.size).toBe(30);
});

test("a tick of hundreds is split, its labels stay with each part", () => {
  const prices = Object.fromEntries(Array.from({ length: 500 }, (_, at) => [`C${at}USDT`, at + 1]));
  const parts = portions(["prices", { at: SCAN, prices, labels: { C1USDT: "MOVED" } }]);
  expect(parts.map(([, data]) => Object.keys((data as { prices: object }).prices).length)).toEqual([200, 200, 100]);
  expect(parts.every(([, data]) => (data as { labels: object }).labels)).toBe(true);
});

test("ticks that wait become one, and nothing else is overtaken by more than a tick", () => {
  const tick = (at: number, prices: Record<string, number>) => ["prices", { at, prices, labels: {} }] as [string, unknown];
  const waiting = joined([tick(1, { A: 1, B: 1 }), ["scan", {}]], tick(2, { A: 2 }));
  expect(waiting).toEqual([["scan", {}], tick(2, { A: 2, B: 1 })]);
});

test("a newer scan's cards take the places of those that wait: a slow page has no more waiting than its coins", () => {
  const scan = (at: number, names: string[]): [string, unknown] => [
    "cards",
    { scan_id: at, items: names.map((name) => ({ ...coin(name), scan_id: at })) },
  ];
  const first = joined([], scan(SCAN, ["AUSDT", "BUSDT"]));
  const waiting = joined([...first, ["scan", {}]], scan(SCAN + 300_000, ["BUSDT", "CUSDT"]));
  expect(waiting.map(([name]) => name)).toEqual(["cards", "scan", "cards"]);
  const held = waiting.flatMap(([name, data]) => (name === "cards" ? (data as { items: Coin[] }).items : []));
  expect(held.map(({ symbol, scan_id }) => [symbol, scan_id])).toEqual([
    ["AUSDT", SCAN],
    ["BUSDT", SCAN + 300_000],
    ["CUSDT", SCAN + 300_000],
  ]);
});
