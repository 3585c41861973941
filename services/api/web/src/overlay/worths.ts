// What each shown signal costs and needs, and how setups like it went.

import { get } from "../api/client";
import type { Config, Signal } from "../api/types";
import { needsOf, needsWords, USUAL_COSTS } from "../record/needs";

const ASK_AGAIN_MS = 15_000;
const KEPT = 500;

export class Worths {
  private readonly lines = new Map<string, string>(); // signal -> the record's line, asked once
  private costs = USUAL_COSTS;

  constructor(private readonly changed: () => void) {
    get<Config>("api/config").then(
      ({ value }) => {
        const { costs } = (value.analysis ?? {}) as { costs?: number };
        if (costs !== undefined) this.costs = costs;
        changed();
      },
      () => undefined, // the usual costs are shown
    );
  }

  // The words about *signal*; without the record's line until that is known.
  of(signal: Signal): string {
    if (!this.lines.has(signal.signal_id)) void this.ask(signal.signal_id);
    const needs = needsOf(signal, this.costs);
    return [needs ? needsWords(needs) : "", this.lines.get(signal.signal_id)].filter(Boolean).join(" · ");
  }

  private async ask(id: string): Promise<void> {
    if (this.lines.size > KEPT) this.lines.clear();
    this.lines.set(id, "");
    try {
      const { line } = await get<{ line: string }>(`api/record/${encodeURIComponent(id)}`);
      this.lines.set(id, line);
      this.changed();
    } catch {
      setTimeout(() => this.lines.delete(id), ASK_AGAIN_MS); // not followed yet
    }
  }
}
