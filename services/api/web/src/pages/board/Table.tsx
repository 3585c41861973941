// The board as a table: the same coins, one line each.

import { memo } from "preact/compat";
import { LiveLabel, Price, Star } from "../../cards/CoinCard";
import { GateDots } from "../../cards/GateDots";
import { Aligned, Change, Regime, SideTag, Strength } from "../../cards/parts";
import type { CoinCell } from "../../live/store";
import { addressOf } from "../../router";
import { HeadRow } from "../../shell/HeadRow";
import { coinName, fixed, percent, whole } from "../../text/format";
import { chosen } from "./shown";

const HEADS = [
  "Coin",
  "Side",
  "Price",
  "24 h",
  "Score",
  "Conf / needs",
  "FMQS",
  "Strength",
  "Regime",
  "RSI",
  "ADX",
  "OI",
  "Funding",
  "Aligned",
  "R:R",
  "Costs",
  "Setups like it",
  "Gates",
];

export function Table({ cells }: { cells: CoinCell[] }) {
  return (
    <div class="scroll">
      <table class="board-table">
        <HeadRow names={HEADS} />
        <tbody>
          {cells.map((cell, place) => (
            <Row key={place} cell={cell} chosen={chosen.value === cell.symbol} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

const Row = memo(function Row({ cell, chosen }: { cell: CoinCell; chosen: boolean }) {
  const coin = cell.coin.value;
  const { figures, levels, worth } = coin;
  return (
    <tr class={`${coin.passed ? "passed" : ""} ${chosen ? "chosen" : ""}`} data-symbol={coin.symbol}>
      <th scope="row">
        <Star symbol={coin.symbol} />
        <a href={addressOf("coin", coin.symbol)}>{coinName(coin.symbol)}</a> <LiveLabel label={cell.label} />
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
      <td class="dim worth" title={levels?.worth?.record}>
        {levels?.worth?.record ?? "–"}
      </td>
      <td>
        <GateDots gates={coin.gates} />
      </td>
    </tr>
  );
});
