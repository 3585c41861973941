import { expect, test } from "vitest";
import { coin } from "../../testing/coin";
import { compare, shows, viewOf } from "./order";

const usual = viewOf(new URLSearchParams());

test("rank is: passed, then gates 1 to 6, then score, then name", () => {
  const coins = [
    coin("D", { gates_passed: 2, score: 90 }),
    coin("B", { gates_passed: 6, score: 66 }),
    coin("A", { gates_passed: 6, score: 66 }),
    coin("C", { gates_passed: 7, score: 65 }),
  ];
  expect(coins.sort(compare("rank")).map(({ symbol }) => symbol)).toEqual(["C", "A", "B", "D"]);
});

test("what has no value stands last", () => {
  const coins = [coin("A", { fmqs: null }), coin("B", { fmqs: 10 })];
  expect(coins.sort(compare("fmqs"))[0]!.symbol).toBe("B");
});

test("the address is the view, and what it does not know counts as usual", () => {
  expect(viewOf(new URLSearchParams("sort=fmqs&side=short&gates=5&near=1&fav=1&density=tiles&view=table"))).toMatchObject({
    sort: "fmqs",
    side: "short",
    gates: 5,
    near: true,
    favourites: true,
    density: "tiles",
    layout: "table",
  });
  expect(viewOf(new URLSearchParams("sort=x&side=y&gates=99&density=z"))).toMatchObject({
    sort: "rank",
    side: "",
    gates: 20,
    density: "full",
  });
});

test("filters: near misses lack one gate, favourites, text, regime", () => {
  const favourites = new Set(["AUSDT"]);
  const show = (changes: object, found = coin("AUSDT")) => shows(found, { ...usual, ...changes }, favourites);
  expect(show({ near: true })).toBe(true);
  expect(show({ near: true }, coin("AUSDT", { gates_passed: 7 }))).toBe(false);
  expect(show({ near: true }, coin("AUSDT", { gates_passed: 5 }))).toBe(false);
  expect(show({ favourites: true }, coin("BUSDT"))).toBe(false);
  expect(show({ text: " au " })).toBe(true);
  expect(show({ regime: "RANGING" })).toBe(false);
});
