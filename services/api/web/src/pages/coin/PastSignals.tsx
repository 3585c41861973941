// The coin's past signals with their results, newest first.

import type { Signal } from "../../api/types";
import { SideTag } from "../../cards/parts";
import { NeedsLine } from "../../record/RecordLine";
import { addressOf } from "../../router";
import { inR, tickPrice, whole } from "../../text/format";
import { dayClock } from "../../text/time";

export function PastSignals({ signals, tick }: { signals: Signal[]; tick: number }) {
  if (!signals.length) return <p class="dim">None yet.</p>;
  return (
    <ul class="past">
      {signals.map((signal) => (
        <li key={signal.signal_id}>
          <a href={addressOf("signals", signal.signal_id)}>{dayClock(signal.scan_id)}</a>
          <SideTag side={signal.side} />
          <span>at {tickPrice(signal.entry, tick)}</span>
          <span class="dim">score {whole(signal.score)}</span>
          <span class={`tag ${signal.status}`}>{signal.status}</span>
          <NeedsLine plan={signal} />
          <b class={(signal.result_r ?? 0) >= 0 ? "up" : "down"}>{signal.result_r === null ? "" : inR(signal.result_r)}</b>
        </li>
      ))}
    </ul>
  );
}
