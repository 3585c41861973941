// One connection for all tabs: the tab that holds the lock reads the events and shares them.
//
// Web Locks exist only on https and on this machine; elsewhere each tab has its own connection.

import { market } from "../api/market";
import { follow, type Listener } from "./connection";
import { type Beginning, fetchBoard } from "./snapshot";
import type { BoardSnapshot, Lists } from "./store";

// tabs of one address and market share; another market has a connection of its own
const NAME = `sevengate-live:${new URL(".", location.href).pathname}:${market}`;

type Post =
  | { kind: "event"; name: string; data: unknown }
  | { kind: "state"; state: Parameters<Listener["state"]>[0] }
  | { kind: "lead" } // a tab took the lock: who listens says hello
  | { kind: "hello" }
  | { kind: "snapshot"; data: [BoardSnapshot, Lists]; state: Parameters<Listener["state"]>[0] };

// Follow *path* together with all other tabs of this address; *snapshot* returns a new tab's first state.
export function followShared(path: string, listener: Listener, snapshot: () => [BoardSnapshot, Lists]): AbortController {
  const stopping = new AbortController();
  if (!navigator.locks || typeof BroadcastChannel === "undefined") {
    void follow(path, listener, stopping.signal);
    return stopping;
  }
  const channel = new BroadcastChannel(NAME);
  let leading = false;
  let heard = false; // by another tab: else nothing is copied for nobody
  let begun = false; // this tab has a board
  let asked = false; // by a tab that opened while the server was away
  // asked for at once, not after the lock's answer; what a leading tab sends makes it needless
  let first: Promise<Beginning> | undefined = fetchBoard(stopping.signal);
  first.catch(() => undefined);
  let state: Parameters<Listener["state"]>[0] = "connecting";
  const post = (message: Post) => channel.postMessage(message);
  channel.onmessage = ({ data: message }: MessageEvent<Post>) => {
    if (leading) {
      if (message.kind !== "hello") return;
      heard = true;
      if (state === "live") post({ kind: "snapshot", data: snapshot(), state });
      else {
        asked = true;
        post({ kind: "state", state });
      }
      return;
    }
    first = undefined;
    if (message.kind === "lead") post({ kind: "hello" });
    else if (message.kind === "event") listener.event(message.name, message.data);
    else if (message.kind === "state") listener.state(message.state);
    else if (message.kind === "snapshot") {
      listener.state(message.state);
      const [board, lists] = message.data;
      listener.event("board", board);
      listener.event("lists", lists);
    }
  };
  post({ kind: "hello" });
  const lead = async () => {
    leading = true;
    post({ kind: "lead" });
    await follow(
      path,
      {
        event(name, data) {
          begun ||= name === "board";
          listener.event(name, data);
          if (heard) post({ kind: "event", name, data });
        },
        state(next) {
          if (next === state) return;
          state = next;
          listener.state(next);
          post({ kind: "state", state: next });
          if (next !== "live" || !asked) return;
          asked = false;
          // the events go on where they ended, without a board for the tab that has none
          if (begun) post({ kind: "snapshot", data: snapshot(), state });
        },
      },
      stopping.signal,
      first,
    );
    leading = false;
  };
  navigator.locks.request(NAME, { signal: stopping.signal }, lead).catch(() => undefined);
  stopping.signal.addEventListener("abort", () => channel.close());
  return stopping;
}
