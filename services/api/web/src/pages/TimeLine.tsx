// A signal's events: what happened, when, at which price.

import type { LifecyclePoint } from "../api/types";
import { inR, price } from "../text/format";
import { dayClock } from "../text/time";

export function TimeLine({ points }: { points: LifecyclePoint[] }) {
  return (
    <ol class="time-line">
      {points.map((point) => (
        <li key={point.alert_id + point.event + point.at} class={point.event}>
          <time>{dayClock(point.at)}</time>
          <b>{point.event}</b>
          {point.price !== null && <span> at {price(point.price)}</span>}
          {point.result_r !== null && point.event !== "opened" && (
            <span class={point.result_r >= 0 ? "up" : "down"}> {inR(point.result_r)}</span>
          )}
          {point.early && <small> Live price touched it; waiting for the bar to close.</small>}
          {point.reason && <small> {point.reason}</small>}
        </li>
      ))}
    </ol>
  );
}
