import { expect, test } from "vitest";
import { placesOf, ROW_HEIGHT, revealing, rowsInSight } from "./sight";

test("a window of rows covers what is seen, and stays bounded", () => {
  for (let top = 0; top <= 600 * ROW_HEIGHT; top += 7) {
    const { first, end } = rowsInSight(top, 900, 600);
    expect(first * ROW_HEIGHT).toBeLessThanOrEqual(top);
    expect(end === 600 || end * ROW_HEIGHT >= top + 900).toBe(true);
    expect(end - first).toBeLessThan(50);
  }
});

test("a table that became short is drawn whole, whatever was scrolled to before", () => {
  expect(rowsInSight(20_000, 900, 5)).toEqual({ first: 0, end: 5 });
  expect(rowsInSight(0, 900, 0)).toEqual({ first: 0, end: 0 });
});

test("scrolling by a little draws the same rows", () => {
  expect(rowsInSight(ROW_HEIGHT * 30 + 1, 900, 600)).toEqual(rowsInSight(ROW_HEIGHT * 32, 900, 600));
});

test("the row with the focus is drawn wherever it is", () => {
  const sight = { first: 10, end: 13 };
  expect(placesOf(sight, -1)).toEqual([10, 11, 12]);
  expect(placesOf(sight, 11)).toEqual([10, 11, 12]);
  expect(placesOf(sight, 3)).toEqual([3, 10, 11, 12]);
  expect(placesOf(sight, 40)).toEqual([10, 11, 12, 40]);
});

test("a row is scrolled to only as far as it takes", () => {
  const height = ROW_HEIGHT * 11; // the head and ten rows
  expect(revealing(5, 0, height)).toBe(0);
  expect(revealing(10, 0, height)).toBe(ROW_HEIGHT);
  expect(revealing(2, ROW_HEIGHT * 5, height)).toBe(ROW_HEIGHT * 2);
});
