// The board: every coin at a glance, as cards that fill any screen or as a table.

import { CoinCard } from "../../cards/CoinCard";
import { connection, loaded, scans, symbols } from "../../live/store";
import { setQuery } from "../../router";
import { Empty, Skeleton } from "../../shell/states";
import { clock } from "../../text/time";
import { useFocusOfCoin } from "./focus";
import { useGradual } from "./gradual";
import { chosen, shown, view } from "./shown";
import { Table } from "./Table";
import { Toolbar } from "./Toolbar";

export function Board() {
  return (
    <section class="board" aria-label="Board">
      <h1 class="sr-only">Board</h1>
      <Toolbar />
      <Coins />
    </section>
  );
}

function Coins() {
  if (!loaded.value) return connection.value === "lost" ? <Unreachable /> : <Skeleton cards={12} />;
  if (!symbols.value.length) return <BeforeTheFirstScan />;
  if (!shown.value.length) {
    return (
      <Empty title="No coin matches these filters">
        <button type="button" onClick={() => setQuery({ q: "", side: "", regime: "", gates: "", near: "", fav: "" })}>
          Show all {symbols.value.length} coins
        </button>
      </Empty>
    );
  }
  return <Shown />;
}

function Shown() {
  return view.value.layout === "table" ? <Table cells={shown.value} /> : <Cards />;
}

function Cards() {
  const drawn = useGradual(shown.value);
  useFocusOfCoin();
  return (
    <ul class={`cards ${view.value.density}`}>
      {drawn.map((cell, place) => (
        <CoinCard key={place} cell={cell} chosen={chosen.value === cell.symbol} />
      ))}
    </ul>
  );
}

function Unreachable() {
  return (
    <Empty title="Sevengate does not answer">
      <p>This page tries again by itself. If it stays so, look at the terminal where Sevengate runs.</p>
    </Empty>
  );
}

function BeforeTheFirstScan() {
  const open = scans.value[0];
  return (
    <Empty title="Waiting for the first scan">
      <p>
        {open
          ? `The scan of ${clock(open.scan_id)} is being judged: ${open.symbols ?? 0} coins.`
          : "Scans are made at every five-minute close. The first one needs the history of every coin, which takes a few minutes."}
      </p>
    </Empty>
  );
}
