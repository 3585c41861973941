import { afterEach, expect, test, vi } from "vitest";
import { backoff, follow, WATCHDOG_MS } from "./connection";

const encoder = new TextEncoder();
const BOARD = { items: [], clock_speed: 1, exchange_time: null, now: 0, event_id: "m-5", scan: null, scan_id: 0, total: 0 };

// A server that answers the event stream as *streams* say, one after another.
function server(streams: ((request: RequestInit) => Response)[]) {
  const asked: { path: string; lastId: string }[] = [];
  vi.stubGlobal("fetch", async (path: string, init: RequestInit) => {
    const headers = init.headers as Record<string, string>;
    asked.push({ path, lastId: headers["Last-Event-ID"] ?? "" });
    if (path === "api/coins") return Response.json(BOARD);
    if (path !== "api/events") return Response.json({ items: [] });
    return streams.shift()?.(init) ?? new Response("", { status: 502 });
  });
  return asked;
}

const says = (text: string) => () => new Response(encoder.encode(text));

afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

test("it waits longer after each failure, never beyond fifteen seconds, and spreads the wait", () => {
  expect(backoff(1, 0)).toBe(250);
  expect(backoff(1, 1)).toBe(500);
  expect(backoff(3, 1)).toBe(2000);
  expect(backoff(50, 1)).toBe(15_000);
});

test("it begins with a snapshot and goes on from the last event after a break, and after a 502", async () => {
  vi.useFakeTimers();
  const stopping = new AbortController();
  const heard: string[] = [];
  const asked = server([
    says('event: scan\nid: m-6\ndata: {"scan_id":1}\n\n'),
    () => new Response("", { status: 502 }),
    () => {
      stopping.abort();
      return new Response("");
    },
  ]);
  const following = follow("api/events", { event: (name) => heard.push(name), state: () => undefined }, stopping.signal);
  await vi.advanceTimersByTimeAsync(20_000);
  await following;
  expect(heard).toEqual(["board", "lists", "scan"]);
  expect(asked.filter(({ path }) => path === "api/events").map(({ lastId }) => lastId)).toEqual(["m-5", "m-6", "m-6"]);
});

test("resync takes a new snapshot", async () => {
  vi.useFakeTimers();
  const stopping = new AbortController();
  const heard: string[] = [];
  const last = () => {
    stopping.abort();
    return new Response("");
  };
  server([says('event: resync\nid: n-0\ndata: {"reason":"old"}\n\n'), last]);
  const following = follow("api/events", { event: (name) => heard.push(name), state: () => undefined }, stopping.signal);
  await vi.advanceTimersByTimeAsync(20_000);
  await following;
  expect(heard).toEqual(["board", "lists", "board", "lists"]);
});

test("a connection that says nothing for thirty seconds is dropped and made anew", async () => {
  vi.useFakeTimers();
  const stopping = new AbortController();
  const states: string[] = [];
  const silent = ({ signal }: RequestInit) =>
    new Response(new ReadableStream({ start: (control) => signal?.addEventListener("abort", () => control.error(new Error("aborted"))) }));
  const asked = server([silent, silent]);
  void follow("api/events", { event: () => undefined, state: (state) => states.push(state) }, stopping.signal);
  await vi.advanceTimersByTimeAsync(WATCHDOG_MS - 1000);
  expect(states.at(-1)).toBe("live");
  await vi.advanceTimersByTimeAsync(3000);
  expect(states).toContain("lost");
  expect(asked.filter(({ path }) => path === "api/events")).toHaveLength(2);
  stopping.abort();
});

test("where a key is needed it stops and says so", async () => {
  vi.stubGlobal("fetch", async () => Response.json({ detail: "a key is needed" }, { status: 401 }));
  const states: string[] = [];
  await follow("api/events", { event: () => undefined, state: (state) => states.push(state) }, new AbortController().signal);
  expect(states.at(-1)).toBe("key");
});
