// Sort, filter, density and layout: all of it in the address, so that a view can be shared.

import { cells, scanned, symbols } from "../../live/store";
import { setQuery } from "../../router";
import { Choice, Toggle } from "../../shell/controls";
import { SORTS } from "./order";
import { shown, view } from "./shown";

// "any", then from three up to as many gates as there are
function gateCounts(chosen: number): number[] {
  void scanned.value; // a scan may bring the first coins, or another gate
  const most = Math.max(chosen, 3, ...[...cells.values()].map((cell) => cell.coin.peek().gates.length));
  return [0, ...Array.from({ length: most - 2 }, (_, place) => place + 3)];
}

export function Toolbar() {
  const now = view.value;
  const filtered = now.side || now.regime || now.gates || now.near || now.favourites || now.text;
  return (
    <div class="toolbar" role="group" aria-label="Sort and filter">
      <input
        id="search"
        type="search"
        placeholder="Find a coin  ( / )"
        aria-label="Find a coin"
        value={now.text}
        onInput={(event) => setQuery({ q: event.currentTarget.value })}
      />
      <Choice
        name="Side"
        value={now.side}
        options={{ "": "both", long: "▲ long", short: "▼ short" }}
        change={(side) => setQuery({ side })}
      />
      <label>
        <span class="sr-only">Sort</span>
        <select
          value={now.sort}
          onChange={(event) => setQuery({ sort: event.currentTarget.value === "rank" ? "" : event.currentTarget.value })}
        >
          {Object.entries(SORTS).map(([key, words]) => (
            <option key={key} value={key}>
              {`by ${words}`}
            </option>
          ))}
        </select>
      </label>
      <label>
        <span class="sr-only">Regime</span>
        <select value={now.regime} onChange={(event) => setQuery({ regime: event.currentTarget.value })}>
          <option value="">any regime</option>
          <option value="TRENDING">trending</option>
          <option value="RANGING">ranging</option>
          <option value="VOLATILE">volatile</option>
        </select>
      </label>
      <label>
        <span class="sr-only">Gates passed</span>
        <select value={String(now.gates)} onChange={(event) => setQuery({ gates: event.currentTarget.value.replace("0", "") })}>
          {gateCounts(now.gates).map((count) => (
            <option key={count} value={String(count)}>
              {count ? `≥ ${count} gates` : "any gates"}
            </option>
          ))}
        </select>
      </label>
      <Toggle on={now.near} change={(on) => setQuery({ near: on ? "1" : "" })}>
        near misses
      </Toggle>
      <Toggle on={now.favourites} change={(on) => setQuery({ fav: on ? "1" : "" })}>
        ★ favourites
      </Toggle>
      <span class="count" aria-live="polite">
        {shown.value.length} of {symbols.value.length}
        {filtered ? (
          <button type="button" class="link" onClick={() => setQuery({ q: "", side: "", regime: "", gates: "", near: "", fav: "" })}>
            clear
          </button>
        ) : null}
      </span>
      <Choice
        name="Density"
        value={now.layout === "table" ? "table" : now.density}
        options={{ full: "full", compact: "compact", tiles: "tiles", table: "table" }}
        change={(wanted) =>
          setQuery(wanted === "table" ? { view: "table", density: "" } : { view: "", density: wanted === "full" ? "" : wanted })
        }
      />
    </div>
  );
}
