// Preferences of this browser; they are stored here and sent nowhere.

import { effect, type Signal, signal } from "@preact/signals";

const PREFIX = "sevengate.";

// Return a signal that starts with the value stored under *name*, and stores every change.
function stored<T>(name: string, initial: T): Signal<T> {
  const cell = signal(read(name, initial));
  effect(() => {
    try {
      localStorage.setItem(PREFIX + name, JSON.stringify(cell.value));
    } catch {
      // private windows may refuse: the choice then lasts as long as the page
    }
  });
  // a choice made in another tab counts here too
  addEventListener("storage", (event) => {
    if (event.key === PREFIX + name) cell.value = read(name, initial);
  });
  return cell;
}

function read<T>(name: string, initial: T): T {
  try {
    const text = localStorage.getItem(PREFIX + name);
    return text === null ? initial : (JSON.parse(text) as T);
  } catch {
    return initial;
  }
}

export type Sound = "signal" | "scan" | "stop" | "target" | "price";

export const prefs = {
  theme: stored<"system" | "dark" | "light">("theme", "system"),
  palette: stored<"standard" | "safe">("palette", "standard"),
  zone: stored<"local" | "utc">("zone", "local"),
  favourites: stored<string[]>("favourites", []),
  sounds: stored<Record<Sound, boolean>>("sounds", { signal: false, scan: false, stop: false, target: false, price: false }),
  volume: stored("volume", 0.5),
  setupDone: stored("setup-done", false),
};

export function toggleFavourite(symbol: string): void {
  const held = prefs.favourites.value;
  prefs.favourites.value = held.includes(symbol) ? held.filter((name) => name !== symbol) : [...held, symbol];
}
