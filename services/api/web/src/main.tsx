// The dashboard: header, ranked table, signals, and the explanation of one coin.

import { render } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { draw } from "./candles";
import { NeedsKey, get, listen, setKey } from "./feed";
import { ranked, state, take } from "./state";
import type { Explanation, Row, Scan, Signal, Verdict } from "./types";
import { clock, figure, percent, price, ratio, signed, whole } from "./words";

const LATE_MS = 900_000; // of the market's clock: three scans
const GATES = ["score", "fmqs", "squeeze", "volume", "groups", "timeframes", "persistence"];

function Header() {
  const scans = [...state.scans.values()].sort((a, b) => b.scan_id - a.scan_id);
  const settled = scans.find((scan) => scan.settled_at);
  const silent = state.heard ? (Date.now() - state.heard) / 1000 : Infinity;
  const late = settled !== undefined && state.exchangeNow - settled.scan_id > LATE_MS;
  const trouble =
    settled?.degraded || (state.database === "ok" ? "" : "database away") || (silent > 30 ? "quiet" : late ? "scans are late" : "");
  const health = !state.connected ? "bad" : trouble ? "fair" : "good";
  const words = { bad: "not connected", fair: trouble, good: "live" }[health];
  return (
    <header>
      <h1>
        <span class="gate" /> Sevengate
      </h1>
      <div class={`health ${health}`} role="status">
        <i /> {words}
      </div>
      <Heartbeat scans={scans} />
      <dl>
        <dt>market</dt>
        <dd>{clock(state.exchangeNow, true)} UTC</dd>
        <dt>last scan</dt>
        <dd>{settled ? clock(settled.scan_id) : "–"}</dd>
        <dt>coins</dt>
        <dd>{settled ? `${settled.analysed ?? 0}/${settled.symbols ?? 0}` : "–"}</dd>
        <dt>settled in</dt>
        <dd>{settled?.seconds != null ? `${settled.seconds.toFixed(2)} s` : "–"}</dd>
      </dl>
    </header>
  );
}

function Heartbeat({ scans }: { scans: Scan[] }) {
  return (
    <div class="heartbeat" title="The last scans, newest on the right">
      {scans
        .slice(0, 16)
        .reverse()
        .map((scan) => {
          const kind = !scan.settled_at ? "open" : scan.degraded ? "poor" : scan.passed ? "hit" : "calm";
          return (
            <i
              key={scan.scan_id}
              class={kind}
              title={`${clock(scan.scan_id)}: ${scan.settled_at ? `${scan.passed ?? 0} passed` : "open"}${scan.degraded ? `, ${scan.degraded}` : ""}`}
            />
          );
        })}
    </div>
  );
}

function tooltip(verdict: Verdict): string {
  const distance = verdict.distance === null ? "" : ` (${signed(verdict.distance)})`;
  return `${verdict.gate}: ${figure(verdict.value)} against ${figure(verdict.threshold)}${distance} · ${verdict.reason}`;
}

function Dots({ verdicts }: { verdicts: Verdict[] }) {
  const byGate = new Map(verdicts.map((verdict) => [verdict.gate, verdict]));
  const passed = verdicts.filter((verdict) => verdict.passed).length;
  return (
    <span class="dots" role="img" aria-label={`${passed} of ${GATES.length} gates`}>
      {GATES.map((gate) => {
        const verdict = byGate.get(gate);
        return (
          <i
            key={gate}
            class={!verdict ? "unknown" : verdict.passed ? "pass" : "fail"}
            title={verdict ? tooltip(verdict) : `${gate}: not judged`}
          />
        );
      })}
    </span>
  );
}

// What stands between the coin and an alert: the first gate's reason, and how many more there are.
function hindrance(row: Row): string {
  const failed = row.gates.filter((verdict) => !verdict.passed);
  if (row.problem || row.outcome !== "rejected" || !failed[0]) return row.problem || row.outcome;
  return failed.length > 1 ? `${failed[0].reason} +${failed.length - 1}` : failed[0].reason;
}

// Enter and the space bar do what a click does.
function pressed(act: () => void) {
  return (event: KeyboardEvent) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    act();
  };
}

function Bar({ value, kind = "" }: { value: number | null; kind?: string }) {
  return (
    <span class="bar">
      <progress class={kind} max={100} value={value ?? 0} />
      <b>{whole(value)}</b>
    </span>
  );
}

function Table({ rows, chosen, choose }: { rows: Row[]; chosen: string; choose: (symbol: string) => void }) {
  return (
    <section class="table">
      <h2>
        Coins <small>{rows.length}, best first</small>
      </h2>
      <div class="scroll">
        <table>
          <thead>
            <tr>
              {["Symbol", "Side", "Score", "FMQS", "Conf.", "Regime", "Gates", "Price", "24 h", "R:R", "Outcome"].map((name) => (
                <th key={name}>{name}</th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <tr
                key={row.symbol}
                class={`${row.symbol === chosen ? "chosen" : ""} ${row.passed ? "passed" : ""}`}
                tabIndex={0}
                onClick={() => choose(row.symbol)}
                onKeyDown={pressed(() => choose(row.symbol))}
                aria-selected={row.symbol === chosen}
              >
                <th scope="row">
                  {row.symbol}
                  {row.estimated.length > 0 && <em title={`estimated: ${row.estimated.join(", ")}`}>≈</em>}
                </th>
                <td class={row.side}>{row.side}</td>
                <td>
                  <Bar value={row.score} kind={row.side} />
                </td>
                <td>{whole(row.fmqs)}</td>
                <td>{whole(row.confidence)}</td>
                <td class="dim">{row.regime.toLowerCase()}</td>
                <td>
                  <Dots verdicts={row.gates} />
                </td>
                <td>{price(state.prices[row.symbol] ?? row.price)}</td>
                <td class={(row.change_24h ?? 0) >= 0 ? "long" : "short"}>{percent(row.change_24h)}</td>
                <td>{ratio(row.reward_to_risk)}</td>
                <td class="dim">{hindrance(row)}</td>
              </tr>
            ))}
          </tbody>
        </table>
        {rows.length === 0 && <p class="empty">The first scan comes at the next five-minute close.</p>}
      </div>
    </section>
  );
}

function progress(signal: Signal): number | null {
  const now = state.prices[signal.symbol];
  if (now === undefined || signal.status !== "open") return null;
  return (now - signal.entry) / Math.abs(signal.entry - signal.stop) * (signal.side === "long" ? 1 : -1);
}

// The live label, by where the price stands between stop, entry and target; the closed bar decides whether it was an end.
function liveLabel(signal: Signal, at: number | null): string {
  if (at === null) return signal.label;
  const risk = Math.abs(signal.entry - signal.stop);
  const reward = Math.abs(signal.target - signal.entry) / risk;
  if (at <= -1) return "stop";
  if (at >= reward) return "target";
  if (at <= -0.5) return at <= -0.75 ? "danger" : "caution";
  return at >= 0.4 * reward || (signal.atr && at >= signal.atr / risk) ? "moved" : "";
}

const LABELS: Record<string, string> = { stop: "SL HIT", target: "TP HIT", danger: "DANGER", caution: "CAUTION", moved: "MOVED" };

function Signals({ choose }: { choose: (symbol: string) => void }) {
  const signals = [...state.signals.values()].sort(
    (a, b) => Number(b.status === "open") - Number(a.status === "open") || b.scan_id - a.scan_id,
  );
  const open = signals.filter((signal) => signal.status === "open").length;
  return (
    <section class="signals">
      <h2>
        Signals <small>{open} open</small>
      </h2>
      <ul>
        {signals.slice(0, 40).map((signal) => {
          const at = progress(signal);
          const label = liveLabel(signal, at);
          return (
            <li
              key={signal.signal_id}
              class={signal.status}
              tabIndex={0}
              onClick={() => choose(signal.symbol)}
              onKeyDown={pressed(() => choose(signal.symbol))}
            >
              <div>
                <b>{signal.symbol}</b> <span class={signal.side}>{signal.side}</span>
                {signal.weak && <span class="tag">weak</span>}
                {label && signal.status === "open" && <span class={`tag ${label}`}>{LABELS[label]}</span>}
                {signal.status !== "open" && <span class={`tag ${signal.status}`}>{signal.status}</span>}
                <time>{clock(signal.scan_id)}</time>
              </div>
              <div class="dim">
                <span>
                  {price(signal.entry)} → {price(signal.target)} · stop {price(signal.stop)}
                </span>
                <strong>{signal.result_r !== null ? `${signed(signal.result_r)} R` : at !== null ? `${signed(at)} R` : ""}</strong>
              </div>
            </li>
          );
        })}
      </ul>
      {signals.length === 0 && <p class="empty">No signal yet. A setup has to pass all seven gates.</p>}
      <h2>Told</h2>
      <ol>
        {[...state.alerts]
          .reverse()
          .slice(0, 20)
          .map((alert) => (
            <li key={alert.alert_id}>
              <time>{clock(alert.occurred_at)}</time> {alert.headline}
              {alert.held_by && <span class="tag">held: {alert.held_by}</span>}
            </li>
          ))}
      </ol>
    </section>
  );
}

function Details({ symbol, scan, close }: { symbol: string; scan: number; close: () => void }) {
  const [found, setFound] = useState<Explanation | null>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const panel = useRef<HTMLElement>(null);
  useEffect(() => {
    // where the panel stands below the table, a chosen coin would open out of sight
    panel.current?.scrollIntoView({ block: "nearest" });
    const leave = (event: KeyboardEvent) => event.key === "Escape" && close();
    addEventListener("keydown", leave);
    return () => removeEventListener("keydown", leave);
  }, [symbol]);
  useEffect(() => {
    const control = new AbortController();
    get<Explanation>(`/api/explain/${encodeURIComponent(symbol)}`, control.signal).then(setFound, () => undefined);
    return () => control.abort();
  }, [symbol, scan]);
  useLayoutEffect(() => {
    // with the panel's own commit: no frame shows it with an empty chart
    if (!canvas.current || !found?.chart) return;
    const lines = found.levels
      ? [
          { at: found.levels.entry, name: "entry", colour: "--ink" },
          { at: found.levels.stop, name: "stop", colour: "--short" },
          { at: found.levels.target, name: "target", colour: "--long" },
        ]
      : [];
    draw(canvas.current, found.chart, lines);
  }, [found]);
  if (!found || found.symbol !== symbol) return <aside class="details" ref={panel} />;
  return (
    <aside class="details" ref={panel} aria-label={`Why ${found.symbol} is where it is`}>
      <h2>
        {found.symbol} <span class={found.side}>{found.side}</span>
        <small>
          {clock(found.scan_id)} · {found.regime.toLowerCase()} · {found.outcome}
        </small>
        <button type="button" aria-label="Close" onClick={close}>
          ×
        </button>
      </h2>
      {found.chart && <canvas ref={canvas} role="img" aria-label="The last 15-minute candles with entry, stop and target" />}
      <table class="gates">
        <tbody>
          {found.gates.map((verdict, index) => (
            <tr key={verdict.gate} class={verdict.passed ? "pass" : "fail"}>
              <td>{index + 1}</td>
              <th scope="row">{verdict.gate}</th>
              <td>{figure(verdict.value)}</td>
              <td class="dim">{figure(verdict.threshold)}</td>
              <td>{verdict.distance === null ? "–" : signed(verdict.distance)}</td>
              <td class="dim">{verdict.reason}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <h3>Votes</h3>
      <ul class="votes">
        {found.groups.map((group) => (
          <li key={group.name}>
            <span>{group.name}</span>
            <meter class={group.vote >= 0 ? "long" : "short"} min={0} max={1} value={Math.abs(group.vote)} />
            <b class={group.vote >= 0 ? "long" : "short"}>{signed(group.vote)}</b>
            <span class="dim">{group.agrees ? "agrees" : ""}</span>
          </li>
        ))}
      </ul>
      <h3>Timeframes</h3>
      <ul class="facts">
        {found.timeframes.map((frame) => (
          <li key={frame.interval}>
            <b>{frame.interval}</b> <span class="long">{whole(frame.long_score)}</span> / <span class="short">{whole(frame.short_score)}</span>{" "}
            <span class="dim">
              {frame.regime.toLowerCase()}
              {frame.squeeze ? ", squeeze" : ""}
            </span>
          </li>
        ))}
      </ul>
      {found.fmqs_detail && (
        <>
          <h3>Futures market {found.fmqs_detail.capped_by && <small>capped: {found.fmqs_detail.capped_by}</small>}</h3>
          <ul class="facts">
            {Object.entries(found.fmqs_detail.components).map(([name, part]) => (
              <li key={name}>
                <b>{whole(part.score)}</b> {name.replace("_", " ")} <span class="dim">{part.detail}</span>
              </li>
            ))}
          </ul>
        </>
      )}
      {found.levels && (
        <p class="dim">
          Stop: {found.levels.stop_reason}. Target: {found.levels.target_reason}. R:R {ratio(found.reward_to_risk)}
          {found.weak ? " (weak)" : ""}.
        </p>
      )}
    </aside>
  );
}

function AskKey({ done }: { done: () => void }) {
  const [key, change] = useState("");
  return (
    <form
      class="key"
      onSubmit={(event) => {
        event.preventDefault();
        setKey(key.trim());
        done();
      }}
    >
      <h2>An API key is needed</h2>
      <input type="password" autocomplete="off" aria-label="API key" value={key} onInput={(event) => change(event.currentTarget.value)} />
      <button type="submit">Open</button>
    </form>
  );
}

function App() {
  const [, redraw] = useState(0);
  const [chosen, choose] = useState("");
  const [attempt, again] = useState(0);
  useEffect(() => {
    let stopped = false;
    let drawn = false;
    // many events of one scan make one drawing
    const draw = () => {
      if (drawn) return;
      drawn = true;
      setTimeout(() => {
        drawn = false;
        redraw((count) => count + 1);
      }, 150);
    };
    const follow = async () => {
      while (!stopped) {
        try {
          await listen((name, data) => {
            state.needsKey = false;
            take(name, data);
            draw();
          });
        } catch (error) {
          state.needsKey = error instanceof NeedsKey;
        }
        state.connected = false;
        draw();
        if (state.needsKey) return;
        await new Promise((resolve) => setTimeout(resolve, 2000));
      }
    };
    void follow();
    const look = () => get<{ database: string }>("/health").then((found) => (state.database = found.database), () => undefined);
    const ticking = setInterval(() => void look().then(draw), 5000);
    return () => {
      stopped = true;
      clearInterval(ticking);
    };
  }, [attempt]);
  if (state.needsKey) return <AskKey done={() => again((count) => count + 1)} />;
  return (
    <>
      <Header />
      <main class={`${chosen ? "with-details" : ""} ${state.connected ? "" : "stale"}`}>
        <Table rows={ranked()} chosen={chosen} choose={choose} />
        {chosen && <Details symbol={chosen} scan={state.rows.get(chosen)?.scan_id ?? 0} close={() => choose("")} />}
        <Signals choose={choose} />
      </main>
    </>
  );
}

render(<App />, document.getElementById("app")!);
