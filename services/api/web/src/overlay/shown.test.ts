import { expect, test } from "vitest";
import type { Alert } from "../api/types";
import { signal } from "../testing/coin";
import { optionsOf } from "./options";
import { madeTimes, Stage } from "./shown";

const names = (stage: Stage, now: number) => stage.at(now).map((one) => one.signal.symbol);

test("the newest signals are shown, at most so many", () => {
  const stage = new Stage(optionsOf("#max=2"));
  for (const [at, name] of ["A", "B", "C"].entries()) stage.take(signal(name), 0, at * 1000);
  expect(names(stage, 5000)).toEqual(["C", "B"]);
});

test("after it was hidden, what has expired is not shown", () => {
  const stage = new Stage(optionsOf("#seconds=60"));
  stage.take(signal("A"), 0, 0);
  expect(names(stage, 59_000)).toEqual(["A"]);
  expect(names(stage, 61_000)).toEqual([]);
  stage.take(signal("B"), 100_000, 0);
  expect(names(stage, 100_000)).toEqual([]);
});

test("an end stays twenty seconds to be read, counted from when it was first heard of", () => {
  const stage = new Stage(optionsOf(""));
  stage.take(signal("A"), 0, 0);
  stage.take(signal("A", { status: "target" }), 10_000);
  stage.take(signal("A", { status: "target" }), 25_000);
  expect(names(stage, 29_000)).toEqual(["A"]);
  expect(names(stage, 31_000)).toEqual([]);
});

test("symbols and side choose; a coin's name without its quote will do", () => {
  const stage = new Stage(optionsOf("#symbols=btc,ETHUSDT&side=long"));
  for (const name of ["BTCUSDT", "ETHUSDT", "SOLUSDT"]) stage.take(signal(name), 0, 0);
  stage.take(signal("BTCUSDT", { signal_id: "short", side: "short" }), 0, 0);
  expect(names(stage, 0).sort()).toEqual(["BTCUSDT", "ETHUSDT"]);
});

test("nonsense in the address counts as nothing", () => {
  expect(optionsOf("#max=x&seconds=-4&side=up&theme=pink")).toMatchObject({ max: 3, seconds: 300, side: "", theme: "dark", sound: false });
});

test("a signal was made when its alert was, its own or the group's", () => {
  const alert = (kind: string, body: object) => ({ kind, body, created_at: 7 }) as unknown as Alert;
  const found = madeTimes([alert("signal", { signal_id: "a" }), alert("group", { members: [{ signal_id: "b" }] }), alert("system", {})]);
  expect([...found]).toEqual([
    ["a", 7],
    ["b", 7],
  ]);
});
