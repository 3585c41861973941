import { expect, test } from "vitest";
import { routeWords } from "./routeWords";

test("a route without conditions takes everything", () => {
  expect(routeWords({ destinations: ["phone"] })).toBe("every alert → phone");
});

test("every condition is named", () => {
  const route = {
    destinations: ["phone", "desk"],
    kinds: ["signal"],
    symbols: ["BTC*"],
    side: "long",
    min_score: 70,
    min_strength: 3,
    regimes: ["TRENDING"],
    weak: false,
    between: { start: "08:00", end: "22:00" },
  };
  expect(routeWords(route)).toBe(
    "signal → phone, desk: BTC*; long only; score from 70; strength from 3; trending; not WEAK; between 08:00 and 22:00",
  );
});
