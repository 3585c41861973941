import { expect, test } from "vitest";
import { meaning, rangeWords, shareWords, wilson } from "./record";

test("Wilson's interval is as published", () => {
  // Newcombe (1998), Statistics in Medicine 17, table I: 81 of 263
  const [low, high] = wilson(81 / 263, 263)!;
  expect(low).toBeCloseTo(0.2553, 4);
  expect(high).toBeCloseTo(0.3662, 4);
  expect(wilson(0, 10)![0]).toBe(0);
  expect(wilson(0, 0)).toBeNull();
});

test("a share comes with its n and interval", () => {
  expect(shareWords(0.5, 40)).toBe("20 of 40 (35 to 65 %)");
  expect(shareWords(null, 0)).toBe("–");
});

test("a mean comes with its interval, or says why there is none", () => {
  expect(rangeWords({ mean: 0.1, low: -0.2, high: 0.4 })).toBe("+0.10 R (−0.20 R to +0.40 R)");
  expect(rangeWords({ mean: 0.1, low: null, high: null })).toContain("no interval yet");
  expect(rangeWords({ mean: null, low: null, high: null })).toBe("–");
});

test("every verdict is explained", () => {
  for (const verdict of ["too few yet (3 of 200)", "no edge shown", "edge in the sample only", "edge holds out of sample"]) {
    expect(meaning(verdict)).not.toBe("");
  }
});
