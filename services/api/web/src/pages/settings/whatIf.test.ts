import { expect, test } from "vitest";
import { summaryWords } from "./whatIf";

test("results come with their n, and few of them are called few", () => {
  expect(summaryWords({ signals: 20, with_outcome: 10, mean_r_net: -0.12, hit_rate: 0.3 })).toBe(
    "Results are known of 10: −0.12 R each after costs; 3 of 10 reached the target. 10 results are too few to tell luck from skill.",
  );
  expect(summaryWords({ signals: 80, with_outcome: 60, mean_r_net: 0.2, hit_rate: 0.5 })).toBe(
    "Results are known of 60: +0.20 R each after costs; 30 of 60 reached the target.",
  );
});

test("a single result is one", () => {
  expect(summaryWords({ signals: 3, with_outcome: 1, mean_r_net: -1 })).toContain("1 result is too few");
});

test("no signals and no results are said as such", () => {
  expect(summaryWords({ signals: 0 })).toBe("None would have passed.");
  expect(summaryWords({ signals: 5, with_outcome: 0 })).toContain("not known yet");
});
