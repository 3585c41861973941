// One coin on the board: everything about it at a glance.

import { type Signal as Cell, useComputed } from "@preact/signals";
import { memo } from "preact/compat";
import type { Coin } from "../api/types";
import { MiniChart } from "../charts/MiniChart";
import { now } from "../live/clock";
import { exchangeMinute, OLD_PRICE_MS } from "../live/health";
import type { CoinCell } from "../live/store";
import { prefs, toggleFavourite } from "../prefs/prefs";
import { NeedsLine } from "../record/RecordLine";
import { addressOf } from "../router";
import { coinName, fixed, inR, tickPrice, whole } from "../text/format";
import { age, clock } from "../text/time";
import { Bar } from "./Bar";
import { figureTexts } from "./figures";
import { GateDots } from "./GateDots";
import { Aligned, Change, LiveLabelTag, Regime, SideTag, Strength, YoungTag } from "./parts";

export const CoinCard = memo(function CoinCard({ cell, chosen }: { cell: CoinCell; chosen: boolean }) {
  const coin = cell.coin.value;
  return (
    <li class={`card ${coin.side} ${coin.passed ? "passed" : ""} ${chosen ? "chosen" : ""}`} data-symbol={coin.symbol}>
      <header>
        <Star symbol={coin.symbol} />
        <h3>
          <a href={addressOf("coin", coin.symbol)}>{coinName(coin.symbol)}</a>
        </h3>
        <SideTag side={coin.side} />
        <LiveLabel label={cell.label} />
        <Price key={coin.symbol} cell={cell} tick={coin.tick_size} />
      </header>
      <p class="line">
        <Regime name={coin.regime} />
        <Strength value={coin.strength} />
        <YoungTag intervals={coin.young} />
        <Aligned frames={coin.alignment} />
        <Change fraction={coin.change_24h} />
      </p>
      {coin.problem ? <p class="problem">not analysed: {coin.problem}</p> : <Judged coin={coin} />}
      <footer>
        <NeedsLine plan={coin.levels} />
        <Age key={coin.symbol} cell={cell} scanId={coin.scan_id} />
      </footer>
    </li>
  );
});

function Judged({ coin }: { coin: Coin }) {
  return (
    <>
      <MiniChart chart={coin.chart} levels={coin.levels} symbol={coin.symbol} />
      <div class="bars">
        <Bar name="Score" value={coin.score} threshold={coin.thresholds.score} />
        <Bar name="Conf" value={coin.confidence} threshold={percentOf(coin.worth?.break_even)} hint={chanceOf(coin)} />
        <Bar name="FMQS" value={coin.fmqs} threshold={coin.thresholds.fmqs} />
      </div>
      <GateDots gates={coin.gates} />
      <dl class="figures">
        {figureTexts(coin.figures).map(({ name, text, hint, tone }) => (
          <div key={name} title={hint}>
            <dt>{name}</dt>
            <dd class={tone}>{text}</dd>
          </div>
        ))}
      </dl>
      <LevelsLine coin={coin} />
      {coin.levels?.worth && (
        <p class="record" title={coin.levels.worth.record}>
          {coin.levels.worth.record}
        </p>
      )}
    </>
  );
}

function percentOf(share: number | undefined): number | undefined {
  return share === undefined ? undefined : share * 100;
}

function chanceOf({ confidence, forecast, worth, agreement }: Coin): string {
  const agrees = `agreement ${whole(agreement)} of 100`;
  if (confidence === null || !worth) return `no stop and target: no confidence; ${agrees}`;
  const chance = `${whole(confidence)} % reach the target before the stop by the ${forecast} forecast`;
  return `${chance}, ${whole(worth.break_even * 100)} % break even; ${agrees}`;
}

function LevelsLine({ coin }: { coin: Coin }) {
  const { levels, tick_size } = coin;
  if (!levels) return <p class="levels dim">no valid stop and target</p>;
  return (
    <dl class="levels">
      <div>
        <dt>Stop</dt>
        <dd class="down">{tickPrice(levels.stop, tick_size)}</dd>
      </div>
      <div>
        <dt>Target</dt>
        <dd class="up">{tickPrice(levels.target, tick_size)}</dd>
      </div>
      <div>
        <dt>R:R</dt>
        <dd>
          {fixed(levels.reward_to_risk)} {levels.weak && <span class="tag fair">WEAK</span>}
        </dd>
      </div>
      {coin.expected_r !== null && (
        <div title="net result to be expected of the scan's levels, in units of the risk taken">
          <dt>Expected</dt>
          <dd>{inR(coin.expected_r)}</dd>
        </div>
      )}
    </dl>
  );
}

export function Star({ symbol }: { symbol: string }) {
  const held = prefs.favourites.value.includes(symbol);
  return (
    <button
      type="button"
      class={`star ${held ? "on" : ""}`}
      aria-pressed={held}
      aria-label={`favourite ${coinName(symbol)}`}
      onClick={() => toggleFavourite(symbol)}
    >
      {held ? "★" : "☆"}
    </button>
  );
}

// A tick changes the text alone: no component is drawn anew, and a box of known size keeps the layout around it.
export function Price({ cell, tick }: { cell: CoinCell; tick: number }) {
  const text = useComputed(() => tickPrice(cell.price.value, tick));
  const look = useComputed(() => `price live ${cell.moved.value}`);
  const room = useComputed(() => `width: ${text.value.length}ch`);
  return (
    <b class={look} style={room}>
      {text}
    </b>
  );
}

export function LiveLabel({ label }: { label: Cell<string> }) {
  return <LiveLabelTag label={label.value} />;
}

// The age of the card's data: of its price where prices are late, else of its scan; drawn anew only when the text changes.
function Age({ cell, scanId }: { cell: CoinCell; scanId: number }) {
  const isOld = useComputed(() => cell.pricedAt.value > 0 && now.value - cell.pricedAt.value > OLD_PRICE_MS);
  if (isOld.value) return <span class="age old">price {age(now.value - cell.pricedAt.value)} old</span>;
  const scanAge = exchangeMinute.value ? exchangeMinute.value - scanId : 0;
  return (
    <span class={scanAge > 900_000 ? "age old" : "age"} title={`scan of ${clock(scanId)}`}>
      {clock(scanId)} · {age(scanAge)} ago
    </span>
  );
}
