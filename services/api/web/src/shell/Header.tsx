// The top line: freshness of the data, signals of the last scans, refresh, zone and theme.

import { useComputed } from "@preact/signals";
import { now } from "../live/clock";
import { exchangeMinute, freshness, lastScan } from "../live/health";
import { refresh } from "../live/refresh";
import { exchangeTime, scans, signals } from "../live/store";
import { prefs } from "../prefs/prefs";
import { dark } from "../prefs/theme";
import { age, clock, clockSeconds, zoneName } from "../text/time";
import { MarketChoice } from "./MarketChoice";

export function Header() {
  return (
    <header class="top">
      <a class="brand" href="#/board">
        <span class="gate-mark" aria-hidden="true" /> Sevengate
      </a>
      <MarketChoice />
      <Fresh />
      <Heartbeat />
      <LastScan />
      <div class="tools">
        <button type="button" class="tool" title="Refresh prices and derivatives (R)" onClick={() => void refresh()}>
          <span aria-hidden="true">⟳</span>
          <span class="sr-only">Refresh</span>
        </button>
        <button type="button" class="tool wide" title="Show times in your zone or in UTC" onClick={switchZone}>
          <Time /> <small>{prefs.zone.value === "utc" ? "UTC" : zoneName.value.split("/").pop()}</small>
        </button>
        <button type="button" class="tool" onClick={switchTheme}>
          <span aria-hidden="true">{dark.value ? "☾" : "☀"}</span>
          <span class="sr-only">{dark.value ? "Light theme" : "Dark theme"}</span>
        </button>
      </div>
    </header>
  );
}

// By itself, so that a second that passes draws nothing else anew.
function Time() {
  const text = useComputed(() => clockSeconds(exchangeTime.value || now.value));
  return <time>{text}</time>;
}

function switchZone(): void {
  prefs.zone.value = prefs.zone.value === "utc" ? "local" : "utc";
}

function switchTheme(): void {
  prefs.theme.value = dark.value ? "light" : "dark";
}

function Fresh() {
  const { tone, words } = freshness.value;
  return (
    <span class={`fresh ${tone}`} role="status">
      <i aria-hidden="true" />
      {words}
    </span>
  );
}

// The last scans as bars; a bar's height is the number of signals.
function Heartbeat() {
  const shown = [...scans.value].slice(0, 20).reverse();
  if (!shown.length) return null;
  return (
    <span class="heartbeat" aria-hidden="true">
      {shown.map((scan) => (
        <i
          key={scan.scan_id}
          class={!scan.settled_at ? "open" : scan.degraded || scan.at_deadline ? "poor" : scan.passed ? "hit" : ""}
          title={`${clock(scan.scan_id)}: ${scan.settled_at ? `${scan.passed ?? 0} passed` : "being judged"}${scan.degraded ? `, ${scan.degraded}` : ""}`}
        />
      ))}
    </span>
  );
}

function LastScan() {
  const scan = lastScan.value;
  const open = signals.value.filter((signal) => signal.status === "open").length;
  return (
    <dl class="summary">
      <dt>scan</dt>
      <dd>{scan ? `${clock(scan.scan_id)}` : "–"}</dd>
      {scan && exchangeMinute.value > 0 && <dd class="dim hide-small">{age(exchangeMinute.value - scan.scan_id)} ago</dd>}
      <dt>coins</dt>
      <dd>{scan?.analysed ?? "–"}</dd>
      <dt>passed</dt>
      <dd>{scan?.passed ?? "–"}</dd>
      <dt>open</dt>
      <dd>{open}</dd>
    </dl>
  );
}
