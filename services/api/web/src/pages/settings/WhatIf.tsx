// What changed thresholds would have let through in the last days, with results, before they are saved.

import { useEffect, useState } from "preact/hooks";
import { Refused, send } from "../../api/client";
import { addressOf } from "../../router";
import type { Tree } from "../../settings/config";
import { coinName, counted, inR } from "../../text/format";
import { dayClock } from "../../text/time";
import { summaryWords, type WhatIfAnswer, type WhatIfSignal } from "./whatIf";

const DAYS = 7;
const SHOWN = 8;

export function WhatIf({ thresholds }: { thresholds: Tree }) {
  const [found, set] = useState<WhatIfAnswer | null>(null);
  const [problem, fail] = useState("");
  const text = JSON.stringify(thresholds);
  useEffect(() => {
    let stale = false;
    set(null);
    fail("");
    send<WhatIfAnswer>("POST", "api/what-if", { thresholds, days: DAYS }).then(
      (answer) => !stale && set(answer),
      (error: Error) => !stale && fail(error instanceof Refused && error.status === 404 ? "This server has no preview." : error.message),
    );
    return () => {
      stale = true;
    };
  }, [text]);
  return (
    <section class="what-if" aria-label="Preview" aria-live="polite">
      <h3>In the last {DAYS} days</h3>
      {problem && <p class="dim">{problem}</p>}
      {!found && !problem && <p class="dim">Judging the stored scans again…</p>}
      {found && <Answer found={found} />}
    </section>
  );
}

function Answer({ found }: { found: WhatIfAnswer }) {
  if (!found.scans) return <p class="dim">{found.note || "No scans are stored yet: nothing can be judged again."}</p>;
  return (
    <>
      <p>
        <b>{found.changed.signals}</b> signals instead of {found.current.signals}, judged from {counted(found.scans, "stored scan")}.
      </p>
      <p>{summaryWords(found.changed)}</p>
      <Signals title="More" signals={found.gained} />
      <Signals title="Fewer" signals={found.lost} />
      {found.note && <p class="dim">{found.note}</p>}
    </>
  );
}

function Signals({ title, signals }: { title: string; signals: WhatIfSignal[] }) {
  if (!signals.length) return null;
  return (
    <details open={signals.length <= SHOWN}>
      <summary>
        {title}: {signals.length}
      </summary>
      <ul class="plain rows">
        {signals.slice(0, SHOWN * 5).map(({ symbol, scan_id, side, r_net }) => (
          <li key={`${symbol}:${scan_id}`}>
            <a href={addressOf("coin", symbol)}>{coinName(symbol)}</a>
            <span class={`side ${side}`}>
              {side === "long" ? "▲" : "▼"} {side}
            </span>
            <span class="dim">{dayClock(scan_id)}</span>
            <span class={r_net === null ? "dim" : r_net < 0 ? "down" : "up"}>{r_net === null ? "no result" : inR(r_net)}</span>
          </li>
        ))}
      </ul>
    </details>
  );
}
