// The market that is shown: ?market=NAME before the #; without it, the first one that the API serves.

export const market = new URLSearchParams(location.search).get("market") ?? "";

// Return *path* as a request for the *name*d market.
export function inMarket(path: string, name: string = market): string {
  return name ? `${path}${path.includes("?") ? "&" : "?"}market=${encodeURIComponent(name)}` : path;
}

// Load the page anew with another market: nothing of the one before may stay.
export function chooseMarket(name: string): void {
  const query = new URLSearchParams(location.search);
  query.set("market", name);
  location.search = query.toString();
}
