import { expect, test } from "vitest";
import type { Alert } from "../api/types";
import { scan } from "../testing/coin";
import { soundOf } from "./announce";

const alert = (kind: string, created_at: number, body = {}) => ({ kind, created_at, body }) as unknown as Alert;

test("each kind of news has its sound", () => {
  expect(soundOf("alert", alert("signal", 0), 1000)).toBe("signal");
  expect(soundOf("alert", alert("price", 0), 1000)).toBe("price");
  expect(soundOf("alert", alert("lifecycle", 0, { event: "stop" }), 1000)).toBe("stop");
  expect(soundOf("alert", alert("lifecycle", 0, { event: "target" }), 1000)).toBe("target");
  expect(soundOf("alert", alert("lifecycle", 0, { event: "caution" }), 1000)).toBeNull();
  expect(soundOf("scan", scan(0, { settled_at: 500 }), 1000)).toBe("scan");
});

test("what is old makes no sound: a page that wakes up is quiet", () => {
  expect(soundOf("alert", alert("signal", 0), 61_000)).toBeNull();
  expect(soundOf("scan", scan(0, { settled_at: 1 }), 61_000)).toBeNull();
  expect(soundOf("scan", scan(0, { settled_at: null }), 0)).toBeNull();
});
