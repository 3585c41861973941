// The anomaly radar: how unusual a coin's volume is, against how little it follows BTC.

import type { Anomalies } from "../api/types";
import { useFetched } from "../api/useFetched";
import { scanned } from "../live/store";
import { hasRecord } from "../record/available";
import { addressOf } from "../router";
import { Empty, Failed, Loading } from "../shell/states";
import { coinName, fixed, percent, price } from "../text/format";
import { dayClock } from "../text/time";
import { Aftermath } from "./record/Aftermath";
import type { Whole } from "./record/record";

// named: dots with their names beside them
const DESK = { width: 900, height: 480, named: 10, broken: false };
// as wide as it is shown, so that its letters can be read; its zone's words on two lines
const PHONE = { width: 370, height: 380, named: 6, broken: true };
const LINE = 14;
const NAME = { width: 70, height: 14 };
const TICKS = [-1, -0.75, -0.5, -0.25, 0, 0.25, 0.5, 0.75, 1];
const EDGE = { left: 46, right: 70, top: 14, bottom: 38 };

export function Radar() {
  const { data, error, again } = useFetched<Anomalies>("api/anomalies", scanned.value);
  return (
    <section class="radar-page">
      <div class="page-head">
        <h1>Anomaly radar</h1>
        <p class="dim">Higher: more volume than usual. Near 0: the coin does not follow BTC. Coins in the shaded area are anomalies.</p>
      </div>
      {!data ? error ? <Failed error={error} again={again} /> : <Loading shape="chart" /> : <Found data={data} />}
    </section>
  );
}

function Found({ data }: { data: Anomalies }) {
  if (!data.coins.some((coin) => coin.figures.volume_z !== null)) {
    return (
      <>
        <Empty title="No figures yet">They come with the first scan, once a coin has enough history.</Empty>
        <Followed />
      </>
    );
  }
  return (
    <div class="split wide">
      <div>
        <Scatter data={data} />
        <Followed />
      </div>
      <aside class="panel">
        <h2>Reported</h2>
        {data.items.length ? (
          <ul class="plain">
            {data.items.map((alert) => (
              <li key={alert.alert_id}>
                <time class="dim">{dayClock(alert.occurred_at)}</time>{" "}
                <a href={addressOf("coin", alert.symbol)}>{coinName(alert.symbol)}</a>
                <p>{alert.headline}</p>
              </li>
            ))}
          </ul>
        ) : (
          <p class="dim">No anomaly so far: both limits have to be exceeded.</p>
        )}
      </aside>
    </div>
  );
}

function Followed() {
  const { data } = useFetched<Whole>(hasRecord.value ? "api/record?days=90" : null);
  return data && <Aftermath found={data.anomalies} />;
}

function Scatter({ data: { coins, limits } }: { data: Anomalies }) {
  const { width, height, named: most, broken } = matchMedia("(max-width: 700px)").matches ? PHONE : DESK;
  const dots = coins.filter((coin) => coin.figures.volume_z !== null && coin.figures.correlation !== null);
  const top = Math.max(limits.volume_z * 1.25, ...dots.map((coin) => coin.figures.volume_z!)) + 0.5;
  const bottom = Math.min(-2, ...dots.map((coin) => coin.figures.volume_z!));
  const left = Math.min(-limits.correlation, ...dots.map((coin) => coin.figures.correlation!)) - 0.05;
  const x = (correlation: number) => EDGE.left + ((correlation - left) / (1 - left)) * (width - EDGE.left - EDGE.right);
  const y = (z: number) => EDGE.top + ((top - z) / (top - bottom)) * (height - EDGE.top - EDGE.bottom);
  const loudest = [...dots].sort((a, b) => b.figures.volume_z! - a.figures.volume_z!);
  const named = new Set(apart(loudest, (coin) => [x(coin.figures.correlation!), y(coin.figures.volume_z!)]).slice(0, most));
  return (
    <div class="panel radar">
      <svg viewBox={`0 0 ${width} ${height}`} role="group" aria-label={`${dots.length} coins by volume z and BTC correlation`}>
        <rect
          class="zone"
          x={x(-limits.correlation)}
          y={EDGE.top}
          width={x(limits.correlation) - x(-limits.correlation)}
          height={Math.max(0, y(limits.volume_z) - EDGE.top)}
        />
        {TICKS.filter((value) => value >= left).map((value) => (
          <g key={value} class="axis">
            <line x1={x(value)} x2={x(value)} y1={EDGE.top} y2={height - EDGE.bottom} />
            <text x={x(value)} y={height - EDGE.bottom + 15} text-anchor="middle">
              {value}
            </text>
          </g>
        ))}
        {[0, 2, 4, 6, 8, 10]
          .filter((value) => value < top)
          .map((value) => (
            <g key={value} class="axis">
              <line x1={EDGE.left} x2={width - EDGE.right} y1={y(value)} y2={y(value)} />
              <text x={EDGE.left - 7} y={y(value) + 4} text-anchor="end">
                {value}
              </text>
            </g>
          ))}
        <text class="axis-name" x={width / 2} y={height - 4} text-anchor="middle">
          correlation with BTC
        </text>
        <text class="axis-name zone-name" y={EDGE.top + 16}>
          {zoneWords(limits, broken).map((line, row) => (
            <tspan key={line} x={x(-limits.correlation) + 8} dy={row && LINE}>
              {line}
            </tspan>
          ))}
        </text>
        <text class="axis-name" transform={`translate(14 ${height / 2}) rotate(-90)`} text-anchor="middle">
          volume z
        </text>
        {dots.map((coin) => {
          const { volume_z, correlation, change_24h, residual_z } = coin.figures;
          const words = `${coinName(coin.symbol)} ${price(coin.price)}: volume z ${fixed(volume_z)}, correlation ${fixed(correlation)}, 24 h ${percent(change_24h)}, residual z ${fixed(residual_z)}`;
          return (
            <a key={coin.symbol} href={addressOf("coin", coin.symbol)} aria-label={words}>
              <circle class={coin.anomalous ? "dot hot" : "dot"} cx={x(correlation!)} cy={y(volume_z!)} r={coin.anomalous ? 7 : 5}>
                <title>{words}</title>
              </circle>
              {named.has(coin) && (
                <text class="dot-name" x={x(correlation!) + 8} y={y(volume_z!) + 4}>
                  {coinName(coin.symbol)}
                </text>
              )}
            </a>
          );
        })}
      </svg>
    </div>
  );
}

// Return the lines that say where anomalies are.
export function zoneWords({ volume_z, correlation }: Anomalies["limits"], broken: boolean): string[] {
  const lines = [`anomaly: volume z of ${volume_z} or more`, `correlation within ±${correlation}`];
  return broken ? lines : [lines.join(", ")];
}

// Of *items*, best first, those whose names do not run over that of a better one; *place* returns a dot's middle.
export function apart<T>(items: T[], place: (item: T) => [x: number, y: number]): T[] {
  const taken: [x: number, y: number][] = [];
  return items.filter((item) => {
    const [x, y] = place(item);
    const isFree = taken.every(([otherX, otherY]) => Math.abs(x - otherX) > NAME.width || Math.abs(y - otherY) > NAME.height);
    if (isFree) taken.push([x, y]);
    return isFree;
  });
}
