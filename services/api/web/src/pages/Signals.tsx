// Signals with their results: a list, and the selected one's events on a time line.

import { useState } from "preact/hooks";
import type { Signal, SignalDetail } from "../api/types";
import { useFetched } from "../api/useFetched";
import { LiveLabelTag, SideTag, Strength } from "../cards/parts";
import { gainedR } from "../live/label";
import { cells, loaded, signals } from "../live/store";
import { costsInForce } from "../record/cost";
import { needed, needsOf } from "../record/needs";
import { NeedsLine, RecordLine } from "../record/RecordLine";
import { addressOf, route } from "../router";
import { Choice } from "../shell/controls";
import { HeadRow } from "../shell/HeadRow";
import { Empty, Failed, Loading } from "../shell/states";
import { coinName, fixed, inR, price, whole } from "../text/format";
import { age, clock, dayClock } from "../text/time";
import { ExportButton } from "./ExportButton";
import { TimeLine } from "./TimeLine";

type Which = "all" | "open" | "ended";

export function Signals() {
  const [which, choose] = useState<Which>("all");
  const { id } = route.value;
  const shown = signals.value.filter((signal) => which === "all" || (signal.status === "open") === (which === "open"));
  return (
    <section class="signals-page">
      <div class="page-head">
        <h1>Signals</h1>
        <Choice name="Which" value={which} options={{ all: "all", open: "open", ended: "ended" }} change={choose} />
        <ExportButton status={which === "all" ? "" : which === "open" ? "open" : "closed"} />
      </div>
      <div class={id ? "split" : ""}>
        {shown.length ? <List shown={shown} chosen={id} /> : loaded.value ? <None which={which} /> : <Loading shape="rows" />}
        {id && <Life key={id} id={id} />}
      </div>
    </section>
  );
}

function None({ which }: { which: Which }) {
  return (
    <Empty title={which === "all" ? "No signals yet" : `No ${which} signals`}>
      <p>A signal appears when a coin passes all gates. That is rare by design: near misses are on the board.</p>
      <a href="#/board?near=1">Show near misses</a>
    </Empty>
  );
}

function List({ shown, chosen }: { shown: Signal[]; chosen: string }) {
  return (
    <div class="scroll">
      <table class="signal-table">
        <HeadRow
          names={["Opened", "Coin", "Side", "Now", "Result", "Score", "Strength", "Entry", "Stop", "Target", "R:R", "Costs", "Needs"]}
        />
        <tbody>
          {shown.map((signal) => (
            <Row key={signal.signal_id} signal={signal} chosen={chosen === signal.signal_id} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Row({ signal, chosen }: { signal: Signal; chosen: boolean }) {
  const isOpen = signal.status === "open";
  const needs = needsOf(signal, costsInForce());
  return (
    <tr class={`${signal.status} ${chosen ? "chosen" : ""}`}>
      <td>
        <a href={addressOf("signals", signal.signal_id)}>{dayClock(signal.scan_id)}</a>
      </td>
      <th scope="row">
        <a href={addressOf("coin", signal.symbol)}>{coinName(signal.symbol)}</a>
      </th>
      <td>
        <SideTag side={signal.side} />
      </td>
      <td class="number">{isOpen ? <OpenResult signal={signal} /> : <span class="dim">{clock(signal.closed_at)}</span>}</td>
      <td>
        <span class={`tag ${signal.status}`}>{signal.status}</span>{" "}
        {signal.result_r !== null && <b class={signal.result_r >= 0 ? "up" : "down"}>{inR(signal.result_r)}</b>}
      </td>
      <td class="number">{whole(signal.score)}</td>
      <td>
        <Strength value={signal.strength} />
      </td>
      <td class="number">{price(signal.entry)}</td>
      <td class="number down">{price(signal.stop)}</td>
      <td class="number up">{price(signal.target)}</td>
      <td class="number">
        {fixed(signal.reward_to_risk)} {signal.weak && <span class="tag fair">WEAK</span>}
      </td>
      <td class="number">{needs ? `${fixed(needs.cost)} R` : "–"}</td>
      <td class="number" title="how often the target has to come before the stop to break even">
        {needs ? `${needed(needs)} of 100` : "–"}
      </td>
    </tr>
  );
}

function OpenResult({ signal }: { signal: Signal }) {
  const cell = cells.get(signal.symbol);
  const now = cell?.price.value;
  if (!cell || now === null || now === undefined) return <span class="dim">–</span>;
  const gained = gainedR(signal, now);
  return (
    <>
      <LiveLabelTag label={cell.label.value} /> <b class={gained >= 0 ? "up" : "down"}>{inR(gained)}</b>
    </>
  );
}

function Life({ id }: { id: string }) {
  const live = signals.value.find((signal) => signal.signal_id === id);
  const { data, error, again } = useFetched<SignalDetail>(`api/signals/${encodeURIComponent(id)}`, live?.status);
  if (!data) return <aside class="panel">{error ? <Failed error={error} again={again} /> : <Loading shape="rows" />}</aside>;
  const length = (data.closed_at ?? data.alerts.at(-1)?.occurred_at ?? data.scan_id) - data.scan_id;
  return (
    <aside class="panel life" aria-label="The signal's life">
      <h2>
        {coinName(data.symbol)} <SideTag side={data.side} /> <span class={`tag ${data.status}`}>{data.status}</span>
        <a href="#/signals" class="close" aria-label="Close">
          ×
        </a>
      </h2>
      <RecordLine worth={data.worth} />
      <NeedsLine plan={data} />
      <dl class="plan">
        <dt>Entry</dt>
        <dd>{price(data.entry)}</dd>
        <dt>Stop</dt>
        <dd class="down">{price(data.stop)}</dd>
        <dt>Target</dt>
        <dd class="up">{price(data.target)}</dd>
        <dt>Best, worst</dt>
        <dd>
          {inR(data.best_r)} / {inR(data.worst_r)}
        </dd>
        {data.closed_at && (
          <>
            <dt>Lasted</dt>
            <dd>{age(length)}</dd>
          </>
        )}
      </dl>
      <TimeLine points={data.lifecycle} />
      <h3>Deliveries</h3>
      {data.deliveries.length ? (
        <ul class="plain">
          {data.deliveries.map((report) => (
            <li key={report.report_id}>
              {dayClock(report.at)} {report.destination} <span class={`tag ${report.status}`}>{report.status}</span>{" "}
              <span class="dim">{report.detail || report.reason}</span>
            </li>
          ))}
        </ul>
      ) : (
        <p class="dim">Nothing was sent about it.</p>
      )}
    </aside>
  );
}
