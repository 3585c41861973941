import { expect, test } from "vitest";
import { doneWords, refreshedWords } from "./refresh";

const ages = { price_age: 2, derivatives_age: 600 };
const done = { at: 1, polled: ["prices"], coins: 40, problem: "" };

test("what was asked for, and how old it was, is said", () => {
  expect(refreshedWords({ requested_at: 1, coalesced: false, ...ages }, 1)).toBe(
    "Asked for newer data; before it: prices 2 s old, derivatives 10 min old",
  );
  expect(refreshedWords({ requested_at: 1, coalesced: true, price_age: null, derivatives_age: null }, 1)).toBe(
    "Already asked for newer data",
  );
});

test("what was refreshed, and how old it is now, is said", () => {
  expect(doneWords({ requested_at: 1, done, ...ages }, 1)).toBe(
    "Refreshed prices, futures data of 40 coins; now: prices 2 s old, derivatives 10 min old",
  );
});

test("nothing that could be newer, a refusal and silence are told apart", () => {
  const none = { ...done, polled: [], coins: 0 };
  expect(doneWords({ requested_at: 1, done: none, ...ages }, 1)).toContain("Everything was as new as the exchange gives it");
  expect(doneWords({ requested_at: 1, done: { ...none, problem: "banned" }, ...ages }, 1)).toContain("banned");
  expect(doneWords(null, 1)).toContain("has not answered");
});
