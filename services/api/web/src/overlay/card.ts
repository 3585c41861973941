// One card of the overlay: its elements are made once, their texts are replaced in place.

import { gainedR, labelTone } from "../live/label";
import { coinName, fixed, inR, price } from "../text/format";
import type { Shown } from "./shown";

const PARTS = ["name", "side", "label", "price", "gain", "levels", "score", "worth"] as const;
type Part = (typeof PARTS)[number];

export class Card {
  readonly element = document.createElement("li");
  private readonly parts = Object.fromEntries(
    PARTS.map((name) => {
      const part = document.createElement("span");
      part.className = name;
      return [name, part];
    }),
  ) as Record<Part, HTMLSpanElement>;

  constructor() {
    this.element.append(...Object.values(this.parts));
  }

  // *worth* says what the signal costs and needs, and how setups like it went.
  show({ signal }: Shown, now: number | null, label: string, worth: string): void {
    const { signal_id, symbol, side, status } = signal;
    if (this.element.dataset.signal !== signal_id) this.element.dataset.signal = signal_id;
    const gained = signal.result_r ?? (now === null ? null : gainedR(signal, now));
    const ended = status === "open" ? "" : status.toUpperCase();
    this.element.className = `${side} ${gained !== null && gained >= 0 ? "gains" : "loses"}`;
    this.write("name", coinName(symbol));
    this.write("side", side === "long" ? "▲ LONG" : "▼ SHORT");
    this.write("label", ended || label);
    this.parts.label.className = `label ${ended ? (status === "target" ? "good" : status === "stop" ? "bad" : "") : labelTone(label)}`;
    this.write("price", price(signal.close_price ?? now ?? signal.entry));
    this.write("gain", gained === null ? "" : inR(gained));
    this.write("levels", `SL ${price(signal.stop)}  TP ${price(signal.target)}`);
    const ratio = `R:R ${fixed(signal.reward_to_risk)}${signal.weak ? " WEAK" : ""}`;
    this.write("score", `${ratio} · score ${signal.score.toFixed(0)} · ${"▮".repeat(signal.strength)}${"▯".repeat(5 - signal.strength)}`);
    this.write("worth", worth);
  }

  private write(part: Part, text: string): void {
    if (this.parts[part].textContent !== text) this.parts[part].textContent = text;
  }
}
