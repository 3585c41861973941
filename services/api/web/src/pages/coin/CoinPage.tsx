// A coin's page: chart, gates now and over the last day, votes, and its past signals.

import { Refused } from "../../api/client";
import type { CoinDetail, JudgedScan } from "../../api/types";
import { useFetched } from "../../api/useFetched";
import { Price, Star } from "../../cards/CoinCard";
import { Change, LiveLabelTag, Regime, SideTag, Strength, YoungTag } from "../../cards/parts";
import { cells } from "../../live/store";
import { NeedsLine, RecordLine } from "../../record/RecordLine";
import { muteCoin } from "../../settings/mutes";
import { note } from "../../shell/notes";
import { Empty, Failed, Loading } from "../../shell/states";
import { coinName, fixed, inR, tickPrice, whole } from "../../text/format";
import { dayClock } from "../../text/time";
import { Chart } from "./Chart";
import { GateLadder } from "./GateLadder";
import { PastSignals } from "./PastSignals";
import { Votes } from "./Votes";

const A_DAY = 288; // scans

export default function CoinPage({ symbol }: { symbol: string }) {
  const cell = cells.get(symbol);
  const scan = cell?.coin.value.scan_id ?? 0;
  const path = `api/coins/${encodeURIComponent(symbol)}`;
  const detail = useFetched<CoinDetail>(`${path}?bars=300`, scan);
  const day = useFetched<{ history: JudgedScan[] }>(`${path}/explain?scans=${A_DAY}`, scan);
  if (!detail.data) {
    if (detail.error instanceof Refused && detail.error.status === 404) return <Unknown symbol={symbol} />;
    return (
      <>
        <header class="coin-head">
          <Back />
          <h1>{coinName(symbol)}</h1>
        </header>
        {detail.error ? <Failed error={detail.error} again={detail.again} /> : <Loading shape="chart" />}
      </>
    );
  }
  const { card } = detail.data;
  return (
    <article class="coin" aria-label={symbol}>
      <header class="coin-head">
        <Back />
        <Star symbol={card.symbol} />
        <h1>{coinName(card.symbol)}</h1>
        <SideTag side={card.side} />
        <LiveLabelTag label={cell?.label.value ?? card.live_label} />
        {cell ? <Price cell={cell} tick={card.tick_size} /> : <b class="price">{tickPrice(card.price, card.tick_size)}</b>}
        <Change fraction={card.change_24h} />
        <Regime name={card.regime} />
        <Strength value={card.strength} />
        <YoungTag intervals={card.young} />
        <span class="dim">scan of {dayClock(card.scan_id)}</span>
        <Actions symbol={card.symbol} />
      </header>
      <div class="coin-body">
        <section class="panel chart-panel" aria-label="Chart">
          <Chart detail={detail.data} />
        </section>
        <section class="panel" aria-label="Gates">
          <h2>Gates</h2>
          <GateLadder gates={card.gates} history={day.data?.history ?? []} outcome={card.outcome} />
        </section>
        <section class="panel" aria-label="Trade plan">
          <h2>Plan</h2>
          <Plan detail={detail.data} />
        </section>
        <section class="panel" aria-label="Votes">
          <h2>Votes</h2>
          <Votes detail={detail.data} />
        </section>
        <section class="panel" aria-label="Past signals">
          <h2>Its signals</h2>
          <RecordLine worth={detail.data.signals[0]?.worth} />
          <PastSignals signals={detail.data.signals} tick={card.tick_size} />
        </section>
      </div>
    </article>
  );
}

function Back() {
  return (
    <a href="#/board" class="back" aria-label="Back to the board">
      ←
    </a>
  );
}

function Unknown({ symbol }: { symbol: string }) {
  return (
    <Empty title={`${symbol} is not watched`}>
      <p>The newest scan has no such coin: it is not traded here, or its volume is too small.</p>
      <a href="#/board">To the board</a>
    </Empty>
  );
}

function Actions({ symbol }: { symbol: string }) {
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(location.href);
      note("The link is copied", "good");
    } catch {
      note("The browser does not allow copying here: copy the address instead", "bad");
    }
  };
  return (
    <span class="actions">
      <button type="button" onClick={() => void muteCoin(symbol)}>
        Mute 2 h
      </button>
      <button type="button" onClick={() => void copy()}>
        Copy link
      </button>
      <a class="button" href={`https://www.tradingview.com/chart/?symbol=BINANCE:${symbol}.P`} target="_blank" rel="noreferrer noopener">
        TradingView ↗
      </a>
    </span>
  );
}

function Plan({ detail: { card, plan, fmqs_detail } }: { detail: CoinDetail }) {
  const { levels, tick_size } = card;
  return (
    <>
      {levels ? (
        <dl class="plan">
          <dt>Entry</dt>
          <dd>{tickPrice(levels.entry, tick_size)}</dd>
          <dt>Stop</dt>
          <dd class="down">{tickPrice(levels.stop, tick_size)}</dd>
          <dd class="dim">{plan?.stop_reason}</dd>
          <dt>Target</dt>
          <dd class="up">{tickPrice(levels.target, tick_size)}</dd>
          <dd class="dim">{plan?.target_reason}</dd>
          <dt>R:R net</dt>
          <dd>
            {fixed(levels.reward_to_risk)} {levels.weak && <span class="tag fair">WEAK</span>}
          </dd>
          <dt>Confidence</dt>
          <dd>
            {whole(card.confidence)} % <span class="dim">the target comes first, by the {card.forecast} forecast</span>
          </dd>
          <dt>Expected</dt>
          <dd>{inR(card.expected_r)}</dd>
          <dt>Worth</dt>
          <dd>
            <NeedsLine plan={levels} />
          </dd>
          <dd class="dim">{levels.worth?.record}</dd>
        </dl>
      ) : (
        <p class="dim">No valid stop and target.</p>
      )}
      {fmqs_detail && (
        <>
          <h3>Futures market {fmqs_detail.capped_by && <small>capped: {fmqs_detail.capped_by}</small>}</h3>
          <dl class="plan">
            {Object.entries(fmqs_detail.components).map(([name, part]) => (
              <>
                <dt key={name}>{name.replaceAll("_", " ")}</dt>
                <dd>{fixed(part.score, 0)}</dd>
                <dd class="dim">{part.detail}</dd>
              </>
            ))}
          </dl>
        </>
      )}
    </>
  );
}
