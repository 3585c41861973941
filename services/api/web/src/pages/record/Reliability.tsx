// How often the target came first, against how often it was forecast: dots on the line are honest forecasts.

import { counted } from "../../text/format";
import type { Calibration } from "./record";
import { wilson } from "./record";

const SIZE = 260;
const EDGE = 34;
const TICKS = [0, 0.25, 0.5, 0.75, 1];

export function Reliability({ calibration }: { calibration: Calibration }) {
  const { reliability, n, days, brier, version } = calibration;
  if (!n) return <p class="dim">No forecast has met its outcome yet.</p>;
  return (
    <>
      <svg class="reliability" viewBox={`0 0 ${SIZE} ${SIZE}`} role="img" aria-label={spoken(calibration)}>
        {TICKS.map((tick) => (
          <g key={tick} class="axis">
            <line x1={x(tick)} x2={x(tick)} y1={y(0)} y2={y(1)} />
            <line x1={x(0)} x2={x(1)} y1={y(tick)} y2={y(tick)} />
            <text x={x(tick)} y={SIZE - 20} text-anchor="middle">
              {tick * 100}
            </text>
            <text x={EDGE - 6} y={y(tick) + 4} text-anchor="end">
              {tick * 100}
            </text>
          </g>
        ))}
        <line class="honest" x1={x(0)} y1={y(0)} x2={x(1)} y2={y(1)} />
        {reliability.map((bin) => {
          const [low, high] = wilson(bin.happened, bin.n)!;
          return (
            <g key={`${bin.forecast}:${bin.n}`} class="bin">
              <line x1={x(bin.forecast)} x2={x(bin.forecast)} y1={y(low)} y2={y(high)} />
              <circle cx={x(bin.forecast)} cy={y(bin.happened)} r={4}>
                <title>{`forecast ${(bin.forecast * 100).toFixed(0)} %, happened ${(bin.happened * 100).toFixed(0)} % of ${bin.n}`}</title>
              </circle>
            </g>
          );
        })}
        <text class="axis-name" x={SIZE / 2 + EDGE / 2} y={SIZE - 5} text-anchor="middle">
          forecast, %
        </text>
      </svg>
      <p class="dim">
        Up: how often the target came first, %, with 95 % intervals. {version === "plain" ? "Plain forecast" : "Recalibrated forecast"} of{" "}
        {counted(n, "signal")} on {counted(days, "day")}
        {brier === null ? "" : `, Brier score ${brier.toFixed(3)}`}.
      </p>
    </>
  );
}

function x(share: number): number {
  return EDGE + share * (SIZE - EDGE - 10);
}

function y(share: number): number {
  return SIZE - EDGE - share * (SIZE - EDGE - 10);
}

function spoken({ reliability }: Calibration): string {
  const bins = reliability.map(
    (bin) => `${(bin.forecast * 100).toFixed(0)} % forecast, ${(bin.happened * 100).toFixed(0)} % of ${bin.n} happened`,
  );
  return `Reliability: ${bins.join("; ")}`;
}
