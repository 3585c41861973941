// The snapshot that the event stream continues: the board first, since it is what is waited for, then the lists.

import { get, KeyNeeded } from "../api/client";
import type { Alert, Board, Scan, Signal } from "../api/types";
import type { BoardSnapshot, Lists } from "./store";

export interface Beginning {
  board: BoardSnapshot;
  eventId: string;
}

export async function fetchBoard(signal: AbortSignal): Promise<Beginning> {
  const board = await get<Board>("api/coins", signal);
  const { clock_speed, exchange_time } = board;
  return { eventId: board.event_id, board: { coins: board.items, clock_speed, exchange_time, tick_age_ms: ageOfTick(board) } };
}

// Asked for after the board: what happens from then on comes as events, and a list may have it already.
export async function fetchLists(signal: AbortSignal): Promise<Lists> {
  const list = <T>(path: string): Promise<T[] | null> =>
    get<{ items: T[] }>(path, signal).then(
      ({ items }) => items,
      (error) => {
        if (error instanceof KeyNeeded) throw error;
        return null; // the database is away: the board goes on without
      },
    );
  const [scans, signals, alerts] = await Promise.all([
    list<Scan>("api/scans?limit=30"),
    list<Signal>("api/signals?limit=100"),
    list<Alert>("api/alerts?limit=50"),
  ]);
  return { scans, signals, alerts };
}

// A simulated clock says nothing about wall time: its newest price counts as new.
export function ageOfTick({ clock_speed, exchange_time, now }: Pick<Board, "clock_speed" | "exchange_time" | "now">): number {
  return clock_speed === 1 && exchange_time !== null ? Math.max(0, now - exchange_time) : 0;
}
