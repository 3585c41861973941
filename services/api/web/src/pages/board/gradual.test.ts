import { expect, test } from "vitest";
import { nearer } from "./gradual";

const numbers = (count: number) => Array.from({ length: count }, (_, at) => at);

test("a first list grows, a few places each frame", () => {
  const target = numbers(10);
  expect(nearer([], target)).toEqual(numbers(4));
  expect(nearer(numbers(4), target)).toEqual(numbers(8));
  expect(nearer(numbers(8), target)).toEqual(target);
});

test("a new order is taken from the top, and nothing is missing or doubled meanwhile", () => {
  const target = numbers(151).map((at) => (at * 2) % 151);
  let list = numbers(151);
  let frames = 0;
  while (list.some((item, at) => item !== target[at])) {
    const before = list;
    list = nearer(before, target);
    expect(new Set(list).size).toBe(151);
    expect(list.slice(0, 72).filter((item, at) => item !== before[at]).length).toBeLessThanOrEqual(6);
    frames += 1;
  }
  expect(frames).toBeLessThan(45);
});

test("two coins change places: what stands between them stays", () => {
  expect(nearer(["a", "b", "c", "d"], ["d", "b", "c", "a"])).toEqual(["d", "b", "c", "a"]);
});

test("what left goes at once, and only its place changes", () => {
  expect(nearer([1, 2, 3, 4, 5], [1, 3, 4, 5])).toEqual([1, 3, 4, 5]);
  const long = numbers(100);
  const before = long.filter((item) => item !== 3);
  expect(nearer(long, before).slice(20, 90)).toEqual(long.slice(20, 90));
});

test("what came takes its place", () => {
  expect(nearer([1, 2, 3], [3, 9])).toEqual([3, 9]);
});

test("what is not in the document costs nothing: only the places in sight are taken a few at a time", () => {
  const target = numbers(600).reverse();
  const inSight = (place: number) => (place >= 300 && place < 340 ? 1 : 0);
  let list = numbers(600);
  let frames = 0;
  while (list.some((item, at) => item !== target[at])) {
    const before = list;
    list = nearer(before, target, inSight);
    expect(list.slice(300, 340).filter((item, at) => item !== before[300 + at]).length).toBeLessThanOrEqual(6);
    frames += 1;
  }
  expect(frames).toBeLessThan(9);
});
