// Keyboard shortcuts of the whole page; ignored while a field has the focus.

import { signal } from "@preact/signals";
import { refresh } from "../live/refresh";
import { chosen, moveChoice } from "../pages/board/shown";
import { toggleFavourite } from "../prefs/prefs";
import { go, route } from "../router";
import { muteCoin } from "../settings/mutes";

export const helpShown = signal(false);

export const KEYS: [key: string, words: string][] = [
  ["R", "refresh at once"],
  ["/", "find a coin"],
  ["j  k", "next, previous coin"],
  ["Enter", "open the coin"],
  ["f", "favourite"],
  ["m", "mute for two hours"],
  ["b", "back to the board"],
  ["?", "this list"],
  ["Esc", "close"],
];

function coinHere(): string {
  return route.value.page === "coin" ? route.value.id : chosen.value;
}

const actions: Record<string, () => void> = {
  r: () => void refresh(),
  R: () => void refresh(),
  "/": () => {
    if (route.value.page !== "board") go("board");
    requestAnimationFrame(() => document.getElementById("search")?.focus());
  },
  j: () => moveChoice(1),
  k: () => moveChoice(-1),
  Enter: () => {
    if (route.value.page === "board" && chosen.value) go("coin", chosen.value);
  },
  f: () => {
    if (coinHere()) toggleFavourite(coinHere());
  },
  m: () => {
    if (coinHere()) void muteCoin(coinHere());
  },
  b: () => go("board"),
  "?": () => {
    helpShown.value = !helpShown.value;
  },
  Escape: () => {
    if (helpShown.value) helpShown.value = false;
    else if (route.value.page === "coin") go("board");
  },
};

export function listenToKeys(): void {
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const target = event.target as HTMLElement;
    const typing = target.closest("input, select, textarea, [contenteditable]");
    if (typing) {
      if (event.key === "Escape") target.blur();
      return;
    }
    if (event.key === "Enter" && target.closest("a, button, summary")) return;
    const action = actions[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });
}
