// The board as a table: the same coins, one line each; lines that are not in sight are not in the document.

import { memo } from "preact/compat";
import { useCallback, useLayoutEffect, useRef, useState } from "preact/hooks";
import { LiveLabel, Price, Star } from "../../cards/CoinCard";
import { GateDots } from "../../cards/GateDots";
import { Aligned, Change, Regime, SideTag, Strength } from "../../cards/parts";
import type { CoinCell } from "../../live/store";
import { addressOf } from "../../router";
import { HeadRow } from "../../shell/HeadRow";
import { coinName, fixed, percent, whole } from "../../text/format";
import { coinAround, useFocusOfCoin } from "./focus";
import { useGradual } from "./gradual";
import { chosen } from "./shown";
import { placesOf, ROW_HEIGHT, revealing, type Sight, useSight } from "./sight";

// Each with its width in points, or none where the style sheet has it: widths do not follow the rows in sight.
const COLUMNS: [name: string, width?: number][] = [
  ["Coin"],
  ["Side", 64],
  ["Price", 90],
  ["24 h", 82],
  ["Score", 42],
  ["Conf / needs", 82],
  ["FMQS", 44],
  ["Strength", 59],
  ["Regime", 58],
  ["RSI", 31],
  ["ADX", 35],
  ["OI", 66],
  ["Funding", 72],
  ["Aligned", 104],
  ["R:R", 86],
  ["Costs", 52],
  ["Setups like it"],
  ["Gates"],
];
const NUMBERS = ["Price", "24 h", "Score", "Conf / needs", "FMQS", "RSI", "ADX", "OI", "Funding", "R:R", "Costs"];
const ROW_COST = 0.5; // of a card drawn anew

export function Table({ cells }: { cells: CoinCell[] }) {
  const scroller = useRef<HTMLDivElement>(null);
  const sight = useSight(scroller, cells.length);
  const drawn = useCellsInSight(cells, sight);
  const [focused, focus] = useState("");
  useFocusOfCoin();
  useFocusAtStart(scroller);
  useChoiceInSight(scroller, cells);
  const held = focused ? drawn.findIndex((cell) => cell.symbol === focused) : -1;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls by itself is scrolled by keys where it has the focus
    <section class="scroll board-scroll" ref={scroller} tabIndex={0} aria-label="Coins">
      <table
        class="board-table"
        aria-rowcount={cells.length + 1}
        style={{ "--row": `${ROW_HEIGHT}px` }}
        onFocusIn={(event) => focus(coinAround(event.target as HTMLElement) ?? "")}
        onFocusOut={(event) => focus(coinAround(event.relatedTarget as HTMLElement | null) ?? "")}
      >
        <colgroup>
          {COLUMNS.map(([name, width]) => (
            <col key={name} class={`of-${name.toLowerCase()}`} style={width ? { width: `${width}px` } : {}} />
          ))}
        </colgroup>
        <HeadRow names={COLUMNS.map(([name]) => name)} numbers={NUMBERS} row={1} />
        <Rows cells={drawn} places={placesOf(sight, held)} count={cells.length} />
      </table>
    </section>
  );
}

// A new order is taken a few rows a frame, where rows are seen.
function useCellsInSight(cells: CoinCell[], sight: Sight): CoinCell[] {
  const now = useRef(sight);
  now.current = sight;
  const costOf = useCallback((place: number) => (place >= now.current.first && place < now.current.end ? ROW_COST : 0), []);
  return useGradual(cells, costOf);
}

// Page Down and End scroll the table from the first on, unless the focus is somewhere already.
function useFocusAtStart(scroller: { current: HTMLElement | null }): void {
  useLayoutEffect(() => {
    if (document.activeElement === document.body) scroller.current?.focus({ preventScroll: true });
  }, []);
}

function useChoiceInSight(scroller: { current: HTMLElement | null }, cells: CoinCell[]): void {
  const symbol = chosen.value;
  useLayoutEffect(() => {
    const box = scroller.current;
    const place = cells.findIndex((cell) => cell.symbol === symbol);
    if (box && place >= 0) box.scrollTop = revealing(place, box.scrollTop, box.clientHeight);
  }, [symbol]);
}

function Rows({ cells, places, count }: { cells: CoinCell[]; places: number[]; count: number }) {
  const rows = [];
  let next = 0;
  for (const place of places) {
    const cell = cells[place];
    if (!cell) continue; // not reached yet
    if (place > next) rows.push(<Gap key={rows.length ? "between" : "above"} rows={place - next} />);
    rows.push(<Row key={place} cell={cell} place={place} chosen={chosen.value === cell.symbol} />);
    next = place + 1;
  }
  if (count > next) rows.push(<Gap key="below" rows={count - next} />);
  return <tbody>{rows}</tbody>;
}

// As high as the rows that are not in the document.
function Gap({ rows }: { rows: number }) {
  return (
    // biome-ignore lint/a11y/noAriaHiddenOnFocusable: nothing in it can have the focus
    <tr class="gap" aria-hidden="true">
      <td colSpan={COLUMNS.length} style={{ height: `${rows * ROW_HEIGHT}px` }} />
    </tr>
  );
}

const Row = memo(function Row({ cell, place, chosen }: { cell: CoinCell; place: number; chosen: boolean }) {
  const coin = cell.coin.value;
  const { figures, levels, worth } = coin;
  const words = coin.problem ? `not analysed: ${coin.problem}` : levels?.worth?.record;
  return (
    <tr class={`${coin.passed ? "passed" : ""} ${chosen ? "chosen" : ""}`} data-symbol={coin.symbol} aria-rowindex={place + 2}>
      <th scope="row">
        <span class="coin-cell">
          <Star symbol={coin.symbol} />
          <a href={addressOf("coin", coin.symbol)}>{coinName(coin.symbol)}</a> <LiveLabel label={cell.label} />
        </span>
      </th>
      <td>
        <SideTag side={coin.side} />
      </td>
      <td class="number">
        <Price key={coin.symbol} cell={cell} tick={coin.tick_size} />
      </td>
      <td class="number">
        <Change fraction={coin.change_24h} />
      </td>
      <td class="number strong">{whole(coin.score)}</td>
      <td class="number" title="chance in % that the target comes first, and the chance that breaks even">
        {whole(coin.confidence)} <span class="dim">/ {whole(worth && worth.break_even * 100)}</span>
      </td>
      <td class="number">{whole(coin.fmqs)}</td>
      <td>
        <Strength value={coin.strength} />
      </td>
      <td>
        <Regime name={coin.regime} />
      </td>
      <td class="number">{whole(figures.rsi)}</td>
      <td class="number">{whole(figures.adx)}</td>
      <td class="number">{percent(figures.open_interest_change)}</td>
      <td class="number">{percent(figures.funding_8h, 3)}</td>
      <td>
        <Aligned frames={coin.alignment} />
      </td>
      <td class="number">
        {fixed(levels?.reward_to_risk)} {levels?.weak && <span class="tag fair">WEAK</span>}
      </td>
      <td class="number">{levels?.worth ? `${fixed(levels.worth.cost_r)} R` : "–"}</td>
      <td class="dim worth" title={words}>
        {words?.replace("like this: ", "") ?? "–"}
      </td>
      <td>
        <GateDots gates={coin.gates} />
      </td>
    </tr>
  );
});
