// The sum of net results in R, signal after signal.

import { inR } from "../../text/format";
import { dayClock } from "../../text/time";

const WIDTH = 600;
const HEIGHT = 200;

export function Equity({ points }: { points: [at: number, sum: number][] }) {
  if (points.length < 2) return <p class="dim">Too few signals have ended.</p>;
  const sums = points.map(([, sum]) => sum);
  const [top, bottom] = [Math.max(0, ...sums), Math.min(0, ...sums)];
  const y = (sum: number) => 8 + ((top - sum) / (top - bottom || 1)) * (HEIGHT - 16);
  const path = sums.map((sum, at) => `${at ? "L" : "M"}${((at / (sums.length - 1)) * WIDTH).toFixed(1)} ${y(sum).toFixed(1)}`).join("");
  return (
    <>
      <svg
        class="equity"
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`from 0 to ${inR(sums.at(-1))} over ${points.length} signals, lowest ${inR(bottom)}, highest ${inR(top)}`}
      >
        <line x1="0" x2={WIDTH} y1={y(0)} y2={y(0)} />
        <path d={path} />
      </svg>
      <p class="dim">
        {dayClock(points[0]![0])} to {dayClock(points.at(-1)![0])}: {inR(sums.at(-1))} over {points.length} signals; lowest {inR(bottom)},
        highest {inR(top)}.
      </p>
    </>
  );
}
