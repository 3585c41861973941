import { afterEach, expect, test, vi } from "vitest";
import { signal } from "../testing/coin";
import { Worths } from "./worths";

afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

const SIGNAL = signal("A", { entry: 100, stop: 98, target: 104 });

function answering(record: () => Response): () => number {
  let asked = 0;
  vi.stubGlobal("fetch", async (path: string) => {
    if (path.startsWith("api/config")) return Response.json({ value: { analysis: { costs: 0.001 } } });
    asked += 1;
    return record();
  });
  return () => asked;
}

test("costs are those in force, and the record is asked once", async () => {
  const asked = answering(() => Response.json({ line: "no record yet" }));
  const worths = new Worths(() => undefined);
  await vi.waitFor(() => expect(worths.of(SIGNAL)).toBe("costs 0.05 R · needs 35 of 100 · no record yet"));
  expect(asked()).toBe(1);
});

test("what nobody follows yet is asked again later", async () => {
  vi.useFakeTimers();
  const asked = answering(() => new Response("", { status: 404 }));
  const worths = new Worths(() => undefined);
  worths.of(SIGNAL);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(worths.of(SIGNAL)).toBe("costs 0.05 R · needs 35 of 100");
  expect(asked()).toBe(1);
  await vi.advanceTimersByTimeAsync(15_000);
  worths.of(SIGNAL);
  expect(asked()).toBe(2);
});
