import { expect, test } from "vitest";
import { needsOf, needsWords } from "./needs";

test("a target twice as far as the stop needs a third, and more with costs", () => {
  expect(needsOf({ entry: 100, stop: 98, target: 104 }, 0)).toEqual({ cost: 0, hitRate: 1 / 3 });
  const needs = needsOf({ entry: 100, stop: 98, target: 104 }, 0.001)!;
  expect(needs.cost).toBeCloseTo(0.05);
  expect(needs.hitRate).toBeCloseTo(0.35);
  expect(needsWords(needs)).toBe("costs 0.05 R · needs 35 of 100");
});

test("shorts are the same turned round, and no risk has no answer", () => {
  expect(needsOf({ entry: 100, stop: 102, target: 96 }, 0.001)).toEqual(needsOf({ entry: 100, stop: 98, target: 104 }, 0.001));
  expect(needsOf({ entry: 100, stop: 100, target: 96 }, 0.001)).toBeNull();
});

test("what a signal was said to cost and need stands before today's costs", () => {
  const plan = { entry: 100, stop: 98, target: 104, worth: { cost_r: 0.2, break_even: 0.4 } };
  expect(needsOf(plan, 0.001)).toEqual({ cost: 0.2, hitRate: 0.4 });
  expect(needsOf({ ...plan, worth: null }, 0.001)).toEqual(needsOf({ entry: 100, stop: 98, target: 104 }, 0.001));
});
