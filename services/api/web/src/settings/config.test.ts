import { expect, test } from "vitest";
import { difference, merged, patchOf, valueAt, withoutEmpty } from "./config";

test("changes of several settings are one merge patch", () => {
  const patch = merged(patchOf("thresholds.score", 70), merged(patchOf("thresholds.fmqs", null), patchOf("routes", [])));
  expect(patch).toEqual({ thresholds: { score: 70, fmqs: null }, routes: [] });
  expect(merged(patch, patchOf("thresholds.score", 60))).toMatchObject({ thresholds: { score: 60 } });
});

test("a value is found by its path", () => {
  expect([valueAt({ a: { b: 3 } }, "a.b"), valueAt({}, "a.b")]).toEqual([3, undefined]);
});

test("a patch has only what was changed, so that a masked secret is not saved as one", () => {
  const held = { channel: "email", host: "a", password: "********", headers: { A: "********" }, to: ["x@y.z"] };
  const next = { ...held, host: "b", headers: { A: "********", B: "new" }, to: ["x@y.z", "q@y.z"] };
  expect(difference(held, next)).toEqual({ host: "b", headers: { B: "new" }, to: ["x@y.z", "q@y.z"] });
  expect(difference(held, { ...held, password: "", host: undefined })).toEqual({ password: "", host: null });
});

test("what says nothing is left out, and false is something", () => {
  expect(withoutEmpty({ a: null, b: "", c: [], d: false, e: 0, f: ["x"] })).toEqual({ d: false, e: 0, f: ["x"] });
});
