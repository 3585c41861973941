import { expect, test } from "vitest";
import { apart, zoneWords } from "./Radar";

test("a name that would run over a better one's is left out", () => {
  const places: [number, number][] = [
    [100, 100],
    [130, 105],
    [130, 130],
    [400, 100],
  ];
  expect(apart(places, (place) => place)).toEqual([places[0], places[2], places[3]]);
});

test("on a phone the zone's words are two lines", () => {
  const limits = { volume_z: 3, correlation: 0.3 };
  expect(zoneWords(limits, true)).toEqual(["anomaly: volume z of 3 or more", "correlation within ±0.3"]);
  expect(zoneWords(limits, false)).toEqual(["anomaly: volume z of 3 or more, correlation within ±0.3"]);
});
