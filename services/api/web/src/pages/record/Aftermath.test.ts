import { h, render } from "preact";
import { expect, test } from "vitest";
import { Aftermath } from "./Aftermath";

const AFTER_4H = {
  hours: 4,
  n: 40,
  days: 20,
  median: -0.0023,
  low: -0.02,
  high: 0.018,
  went_on: 0.475,
  others_n: 38,
  others_went_on: 0.5,
};

function shown(found: (typeof AFTER_4H)[]): HTMLElement {
  const body = document.createElement("div");
  render(h(Aftermath, { found }), body);
  return body;
}

test("each horizon has median, spread and both shares with their n", () => {
  const [after1h, after4h] = [...shown([{ ...AFTER_4H, hours: 1, n: 29 }, AFTER_4H]).querySelectorAll("tbody tr")];
  for (const words of ["4 h", "−0.23 %", "−2.0 % to +1.8 %", "19 of 40", "19 of 38"]) expect(after4h!.textContent).toContain(words);
  expect(after1h!.textContent).toContain("no record yet: 29 of 30");
});

test("where too few are known of all, there is no table", () => {
  const body = shown([{ ...AFTER_4H, others_n: 12 }]);
  expect(body.textContent).toContain("No record yet: 12 of 30 anomalies");
  expect(body.querySelector("table")).toBeNull();
});
