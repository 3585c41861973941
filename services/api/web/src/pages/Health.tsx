// System health: services, ages of the data, lags, stores, and dead letters.

import { send } from "../api/client";
import type { DeadLetter, Status } from "../api/types";
import { useFetched } from "../api/useFetched";
import { now } from "../live/clock";
import { withNote } from "../shell/notes";
import { Failed, Loading } from "../shell/states";
import { coinName, large } from "../text/format";
import { age, clock } from "../text/time";
import { storageTiles } from "./storage";

const REFRESH_MS = 5_000;
const QUIET_S = 300; // a service that says nothing for so long is looked at

export function Health() {
  const round = Math.floor(now.value / REFRESH_MS);
  const { data, error, again } = useFetched<Status>("api/status", round);
  return (
    <section>
      <div class="page-head">
        <h1>System health</h1>
        {data && (
          <span class="dim">
            version {data.version}, {data.market}, up {age(data.uptime_seconds * 1000)}
          </span>
        )}
      </div>
      {error && <Failed error={error} again={again} />}
      {data ? <Shown status={data} /> : !error && <Loading shape="tiles" />}
    </section>
  );
}

function Shown({ status }: { status: Status }) {
  const { last_scan, top_coin, counts, recorder, database } = status;
  return (
    <>
      <div class="tiles">
        {Object.entries(status.services).map(([name, { seconds_since_message }]) => (
          <Tile
            key={name}
            name={name}
            tone={tone(seconds_since_message)}
            value={seconds_since_message === null ? "none yet" : age(seconds_since_message * 1000)}
            foot="since its last message"
          />
        ))}
        <Tile
          name="database"
          tone={database.ok ? "good" : "bad"}
          value={database.ok ? "ok" : "away"}
          foot={database.reason || `${large(recorder.stored)} stored`}
        />
        <Tile
          name="bus"
          tone={status.streams ? "good" : "bad"}
          value={status.streams ? "ok" : "away"}
          foot={recorder.lost ? `${recorder.lost} lost unread` : "nothing lost"}
        />
        {last_scan && (
          <Tile
            name="last scan"
            tone={last_scan.degraded ? "fair" : "good"}
            value={clock(last_scan.scan_id)}
            foot={
              last_scan.degraded ||
              `${last_scan.analysed} coins, ${last_scan.passed} passed${last_scan.seconds === null ? "" : `, ${last_scan.seconds.toFixed(1)} s`}`
            }
          />
        )}
        {top_coin && (
          <Tile
            name="top coin"
            tone=""
            value={coinName(top_coin.symbol)}
            foot={`score ${top_coin.score.toFixed(0)}, ${top_coin.gates_passed} gates passed`}
          />
        )}
        {status.weight_used !== null && (
          <Tile
            name="exchange weight"
            tone={status.weight_used > 0.8 * (status.weight_limit ?? 2400) ? "fair" : "good"}
            value={String(status.weight_used)}
            foot={`of ${status.weight_limit ?? "?"}, used this minute`}
          />
        )}
        {storageTiles(status.storage).map((tile) => (
          <Tile key={tile.name} {...tile} />
        ))}
        <Tile name="watching" tone="" value={String(status.listeners)} foot="open event streams" />
      </div>
      <div class="columns">
        <Ages ages={status.ages} />
        {counts && (
          <section class="panel">
            <h2>Recorded</h2>
            <dl class="plan">
              {[
                [counts.about.includes("signals") ? "signals, about" : "signals", counts.signals],
                ["open", counts.open_signals],
                ["alerts, 24 h", counts.alerts],
                [counts.about.includes("scans") ? "scans, about" : "scans", counts.scans],
                ["decisions, about", counts.decisions_estimated],
              ].map(([name, count]) => (
                <>
                  <dt key={name}>{name}</dt>
                  <dd>{Number(count).toLocaleString("en")}</dd>
                </>
              ))}
              {Object.entries(counts.deliveries).map(([name, count]) => (
                <>
                  <dt key={name}>{name}, 24 h</dt>
                  <dd>{count.toLocaleString("en")}</dd>
                </>
              ))}
            </dl>
          </section>
        )}
      </div>
      <Lags streams={status.streams} />
      <DeadLetters />
    </>
  );
}

const tone = (seconds: number | null): string => (seconds === null ? "" : seconds > QUIET_S ? "fair" : "good");

function Tile({ name, value, foot, tone }: { name: string; value: string; foot: string; tone: string }) {
  return (
    <div class={`tile ${tone}`}>
      <span>{name}</span>
      <b>{value}</b>
      <small>{foot}</small>
    </div>
  );
}

function Ages({ ages }: { ages: Status["ages"] }) {
  return (
    <section class="panel">
      <h2>Ages of the data</h2>
      <dl class="plan">
        {Object.entries(ages).map(([name, seconds]) => (
          <>
            <dt key={name}>{name.replaceAll("_", " ")}</dt>
            <dd>{seconds === null ? "none yet" : age(seconds * 1000)}</dd>
          </>
        ))}
      </dl>
    </section>
  );
}

function Lags({ streams }: { streams: Status["streams"] }) {
  if (!streams) return null;
  return (
    <section class="panel">
      <h2>Lags</h2>
      <div class="scroll">
        <table>
          <thead>
            <tr>
              {["Stream", "Reader", "Length", "Waiting", "In work", "Oldest", "Dropped unread"].map((head, at) => (
                <th key={head} scope="col" class={at > 1 ? "number" : ""}>
                  {head}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {streams.map((lag) => (
              <tr key={`${lag.stream} ${lag.group}`} class={lag.undelivered > 1000 || lag.trimmed_unread ? "late" : ""}>
                <th scope="row">{lag.stream}</th>
                <td>{lag.group}</td>
                <td class="number">{lag.length}</td>
                <td class="number">{lag.undelivered}</td>
                <td class="number">{lag.pending}</td>
                <td class="number">{lag.pending ? age(lag.oldest_pending_seconds * 1000) : "–"}</td>
                <td class="number">{lag.trimmed_unread || "–"}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function DeadLetters() {
  const { data, again } = useFetched<{ items: DeadLetter[] }>("api/dead-letters");
  return (
    <section class="panel">
      <h2>Dead letters</h2>
      {data?.items.length ? (
        <ul class="plain rows">
          {data.items.map((letter) => (
            <li key={letter.dead_id}>
              <b>
                {letter.stream} → {letter.group}
              </b>
              <span>{letter.error}</span>
              <span class="dim">
                {letter.tries} tries, {letter.bytes} bytes
              </span>
              <button
                type="button"
                onClick={() =>
                  void withNote(send("POST", `api/dead-letters/${encodeURIComponent(letter.dead_id)}/put-back`), "Put back").then(again)
                }
              >
                Put back
              </button>
            </li>
          ))}
        </ul>
      ) : (
        <p class="dim">None: every message could be handled.</p>
      )}
    </section>
  );
}
