import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { follow, type Listener } from "./connection";
import { followShared } from "./tabs";

vi.mock("./connection", () => ({ follow: vi.fn() }));
vi.mock("./snapshot", () => ({ fetchBoard: () => new Promise(() => undefined) }));

// All tabs of the test, in this one: what one posts, the others get at once.
class Channel {
  static open: Channel[] = [];
  onmessage: ((event: { data: unknown }) => void) | null = null;
  constructor() {
    Channel.open.push(this);
  }
  postMessage(data: unknown): void {
    for (const other of Channel.open) if (other !== this) other.onmessage?.({ data });
  }
  close(): void {}
}

let waiting: (() => Promise<void>)[] = [];
let server: Listener;

beforeEach(() => {
  Channel.open = [];
  waiting = [];
  vi.stubGlobal("BroadcastChannel", Channel);
  // the lock is free once, for the first tab
  const request = (_: string, __: unknown, lead: () => Promise<void>) => {
    waiting.push(lead);
    return waiting.length === 1 ? lead() : new Promise(() => undefined);
  };
  vi.stubGlobal("navigator", { locks: { request } });
  vi.mocked(follow).mockImplementation((_, listener) => {
    server = listener;
    return new Promise(() => undefined);
  });
});

afterEach(() => {
  vi.unstubAllGlobals();
});

const board = { coins: [], clock_speed: 1, exchange_time: null, tick_age_ms: 0 };

function open(): { names: string[]; states: string[] } {
  const seen = { names: [] as string[], states: [] as string[] };
  const listener = { event: (name: string) => seen.names.push(name), state: (state: string) => seen.states.push(state) };
  followShared("api/events", listener as unknown as Listener, () => [board, { scans: [], signals: [], alerts: [] }]);
  return seen;
}

test("a tab that opens beside a live one has its board, and its events from then on", () => {
  open();
  server.state("live");
  server.event("board", board);
  const second = open();
  server.event("prices", {});
  expect(second).toEqual({ names: ["board", "lists", "prices"], states: ["live"] });
});

test("a tab that opens while the server is away has a board when the events go on", () => {
  open();
  server.state("live");
  server.event("board", board);
  server.state("lost");
  const second = open();
  expect(second).toEqual({ names: [], states: ["lost"] });
  server.state("live"); // at its old place in the events: no board comes again
  server.event("prices", {});
  expect(second.names).toEqual(["board", "lists", "prices"]);
  expect(second.states.at(-1)).toBe("live");
});

test("when the leading tab closes, the next one reads the events itself", async () => {
  open();
  open();
  const before = vi.mocked(follow).mock.calls.length;
  void waiting[1]!();
  expect(vi.mocked(follow).mock.calls.length).toBe(before + 1);
});
