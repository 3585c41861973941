// The small parts that cards, tables and pages share.

import type { Alignment, Side } from "../api/types";
import { labelTone } from "../live/label";

export function SideTag({ side }: { side: Side }) {
  return (
    <span class={`side ${side}`}>
      <span aria-hidden="true">{side === "long" ? "▲" : "▼"}</span> {side.toUpperCase()}
    </span>
  );
}

export function Strength({ value }: { value: number }) {
  return (
    <span class="strength" role="img" aria-label={`strength ${value} of 5`} title={`strength ${value} of 5`}>
      {[1, 2, 3, 4, 5].map((segment) => (
        <i key={segment} class={segment <= value ? "on" : ""} />
      ))}
    </span>
  );
}

export function LiveLabelTag({ label }: { label: string }) {
  return label ? <span class={`tag ${labelTone(label)}`}>{label}</span> : null;
}

// A coin with a short history: its slow averages have seen too few bars.
export function YoungTag({ intervals }: { intervals: string[] }) {
  if (!intervals.length) return null;
  const hint = `short history on ${intervals.join(", ")}: slow averages such as EMA 200 are less certain, old levels may be missing`;
  return (
    <span class="tag young" title={hint}>
      young
    </span>
  );
}

export function Regime({ name }: { name: string }) {
  return <span class={`regime ${name.toLowerCase()}`}>{name.toLowerCase()}</span>;
}

export function Aligned({ frames }: { frames: Alignment[] }) {
  return (
    <span class="aligned">
      {frames.map(({ interval, side, agrees, score }) => (
        <span key={interval} class={`${side} ${agrees ? "agrees" : "against"}`} title={`${interval}: ${side} ${score.toFixed(0)}`}>
          {interval}
          <span aria-hidden="true">{side === "long" ? "▲" : "▼"}</span>
          <span class="sr-only"> {side}</span>
        </span>
      ))}
    </span>
  );
}

export function Change({ fraction }: { fraction: number | null }) {
  if (fraction === null) return <span class="dim">–</span>;
  const up = fraction >= 0;
  return (
    <span class={up ? "up" : "down"}>
      <span aria-hidden="true">{up ? "▴" : "▾"}</span>
      {`${up ? "+" : "−"}${Math.abs(fraction * 100).toFixed(2)} %`}
    </span>
  );
}
