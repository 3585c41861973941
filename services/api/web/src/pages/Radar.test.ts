import { expect, test } from "vitest";
import { apart } from "./Radar";

test("a name that would run over a better one's is left out", () => {
  const places: [number, number][] = [
    [100, 100],
    [130, 105],
    [130, 130],
    [400, 100],
  ];
  expect(apart(places, (place) => place)).toEqual([places[0], places[2], places[3]]);
});
