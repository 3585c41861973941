// The coins on the board in their order: it changes with a scan, a sort or a filter, never with a tick.

import { computed, signal } from "@preact/signals";
import { cells, scanned, symbols } from "../../live/store";
import { prefs } from "../../prefs/prefs";
import { route } from "../../router";
import { compare, shows, viewOf } from "./order";

export const view = computed(() => viewOf(route.value.query));
export const chosen = signal(""); // the coin that the keyboard stands on

export const shown = computed(() => {
  scanned.value;
  const wanted = view.value;
  const favourites = new Set(prefs.favourites.value);
  const before = compare(wanted.sort);
  return symbols.value
    .map((symbol) => cells.get(symbol)!)
    .filter((cell) => shows(cell.coin.peek(), wanted, favourites))
    .sort((a, b) => before(a.coin.peek(), b.coin.peek()));
});

// Move the selection by *step* and scroll to it.
export function moveChoice(step: number): void {
  const list = shown.value;
  if (!list.length) return;
  const at = list.findIndex((cell) => cell.symbol === chosen.value);
  const next = list[Math.max(0, Math.min(list.length - 1, at < 0 ? 0 : at + step))]!;
  chosen.value = next.symbol;
  requestAnimationFrame(() => {
    document.querySelector(`[data-symbol="${CSS.escape(next.symbol)}"]`)?.scrollIntoView({ block: "nearest" });
  });
}
