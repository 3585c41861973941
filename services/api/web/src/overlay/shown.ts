// Which signals the overlay shows: the newest that have not expired, also after it was hidden.

import type { Alert, Signal } from "../api/types";
import type { Options } from "./options";

export interface Shown {
  signal: Signal;
  madeAt: number; // wall clock of the server, ms
}

const ENDED_MS = 20_000; // how long an end stays to be read

export class Stage {
  private readonly held = new Map<string, Shown & { endedAt: number }>();

  constructor(private readonly options: Options) {}

  // Take *signal* as of *now*; it appears only where *madeAt* is known.
  take(signal: Signal, now: number, madeAt?: number): void {
    if (!this.wanted(signal)) return;
    const before = this.held.get(signal.signal_id);
    const made = madeAt ?? before?.madeAt;
    if (made === undefined) return;
    const endedAt = signal.status === "open" ? 0 : before?.endedAt || now;
    this.held.set(signal.signal_id, { signal, madeAt: made, endedAt });
  }

  has(id: string): boolean {
    return this.held.has(id);
  }

  // The signals to show at *now*, newest first.
  at(now: number): Shown[] {
    for (const [id, { madeAt, endedAt }] of this.held) {
      if (now - madeAt > this.options.seconds * 1000 || (endedAt && now - endedAt > ENDED_MS)) this.held.delete(id);
    }
    return [...this.held.values()]
      .sort((a, b) => b.madeAt - a.madeAt || (a.signal.signal_id < b.signal.signal_id ? -1 : 1))
      .slice(0, this.options.max);
  }

  private wanted({ symbol, side }: Signal): boolean {
    const { symbols, side: only } = this.options;
    return (!symbols.size || symbols.has(symbol)) && (!only || side === only);
  }
}

// When each signal was made, as the alerts that opened them say.
export function madeTimes(alerts: Alert[]): Map<string, number> {
  const found = new Map<string, number>();
  for (const { kind, body, created_at } of alerts) {
    if (kind === "signal") found.set(String(body.signal_id), created_at ?? 0);
    if (kind === "group") for (const member of body.members as Signal[]) found.set(member.signal_id, created_at ?? 0);
  }
  return found;
}
