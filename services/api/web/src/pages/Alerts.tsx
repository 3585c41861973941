// Alerts and their deliveries, each with a button to send it again.

import { useState } from "preact/hooks";
import { send } from "../api/client";
import type { Alert, Delivery } from "../api/types";
import { useFetched } from "../api/useFetched";
import { alerts, deliveries } from "../live/store";
import { addressOf } from "../router";
import { withNote } from "../shell/notes";
import { Empty, Failed, Loading } from "../shell/states";
import { coinName } from "../text/format";
import { dayClock } from "../text/time";

const KINDS = ["", "signal", "lifecycle", "group", "price", "anomaly", "system"];

interface Page<T> {
  items: T[];
  next_cursor: string | null;
}

export function Alerts() {
  const [kind, choose] = useState("");
  const [cursor, turn] = useState("");
  const newest = alerts.value[0]?.alert_id;
  const path = `api/alerts?limit=50${kind && `&kind=${kind}`}${cursor && `&cursor=${encodeURIComponent(cursor)}`}`;
  const { data, error, again } = useFetched<Page<Alert>>(path, cursor ? "" : newest);
  const reports = useFetched<Page<Delivery>>("api/deliveries?limit=300", deliveries.value[0]?.report_id);
  const items = data?.items ?? alerts.value.filter((alert) => !kind || alert.kind === kind);
  return (
    <section>
      <div class="page-head">
        <h1>Alerts</h1>
        <label>
          <span>Kind</span>
          <select
            value={kind}
            onChange={(event) => {
              choose(event.currentTarget.value);
              turn("");
            }}
          >
            {KINDS.map((name) => (
              <option key={name} value={name}>
                {name || "all"}
              </option>
            ))}
          </select>
        </label>
      </div>
      {error && <Failed error={error} again={again} />}
      {!data && !error && <Loading shape="rows" />}
      {data && !items.length && <Empty title="No alerts yet">They appear here whether or not a destination is configured.</Empty>}
      <ul class="alert-list">
        {items.map((alert) => (
          <Line
            key={alert.alert_id}
            alert={alert}
            reports={(reports.data?.items ?? []).filter((report) => report.alert_id === alert.alert_id)}
          />
        ))}
      </ul>
      <div class="pager">
        {cursor && (
          <button type="button" onClick={() => turn("")}>
            Newest
          </button>
        )}
        {data?.next_cursor && (
          <button type="button" onClick={() => turn(data.next_cursor!)}>
            Older
          </button>
        )}
      </div>
    </section>
  );
}

function Line({ alert, reports }: { alert: Alert; reports: Delivery[] }) {
  const last = new Map<string, Delivery>();
  for (const report of [...reports].sort((a, b) => a.at - b.at)) last.set(report.destination, report);
  return (
    <li class="panel">
      <time class="dim">{dayClock(alert.occurred_at)}</time>
      <span class={`kind ${alert.kind}`}>{alert.kind}</span>
      <b>{alert.symbol ? <a href={addressOf("coin", alert.symbol)}>{headline(alert)}</a> : headline(alert)}</b>
      {alert.held_by && <span class="tag">held by {alert.held_by}</span>}
      <span class="deliveries">
        {[...last.values()].map((report) => (
          <Report key={report.destination} report={report} />
        ))}
      </span>
    </li>
  );
}

// With the page's names of coins and its minus.
const headline = (alert: Alert): string =>
  alert.headline.replace(alert.symbol || "\0", coinName(alert.symbol)).replace(/(?<=[ (])-(?=\d)/g, "−");

function Report({ report }: { report: Delivery }) {
  const { alert_id, destination, status } = report;
  return (
    <span class="report" title={report.detail || report.reason}>
      {destination} <span class={`tag ${status}`}>{status}</span>
      <button
        type="button"
        class="link"
        title={`Send to ${destination} again`}
        onClick={() => void withNote(send("POST", "api/deliveries/resend", { alert_id, destination }), `Sending to ${destination} again`)}
      >
        resend
      </button>
    </span>
  );
}
