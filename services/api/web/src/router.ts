// The page is named after the address's # (#/coin/BTCUSDT?interval=15m): it works under any path prefix.

import { computed, signal } from "@preact/signals";

export interface Route {
  page: string;
  id: string;
  query: URLSearchParams;
}

const hash = signal(location.hash);
addEventListener("hashchange", () => {
  hash.value = location.hash;
});

export function parseRoute(text: string): Route {
  const [path = "", query = ""] = text.replace(/^#\/?/, "").split("?", 2);
  const [page = "", ...rest] = path.split("/");
  return { page: page || "board", id: decodeURIComponent(rest.join("/")), query: new URLSearchParams(query) };
}

export const route = computed(() => parseRoute(hash.value));

export function addressOf(page: string, id = "", query: Record<string, string> = {}): string {
  const kept = Object.entries(query).filter(([, value]) => value !== "");
  const search = new URLSearchParams(kept).toString();
  return `#/${page}${id && `/${encodeURIComponent(id)}`}${search && `?${search}`}`;
}

export function go(page: string, id = ""): void {
  location.hash = addressOf(page, id);
}

// Go to *page* in place of the present one, at once and without a step in the history.
export function replacePage(page: string): void {
  history.replaceState(null, "", addressOf(page));
  hash.value = location.hash;
}

// Change the present page's query without a step in the history; an empty value removes its name.
export function setQuery(changes: Record<string, string>): void {
  const { page, id, query } = route.value;
  const next = { ...Object.fromEntries(query), ...changes };
  history.replaceState(null, "", addressOf(page, id, next));
  hash.value = location.hash;
}
