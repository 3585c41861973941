// Who votes for which side: groups across the timeframes, then each indicator with its weight.

import type { CoinDetail } from "../../api/types";
import { signed, whole } from "../../text/format";

export function Votes({ detail: { groups, intervals, timeframe_weights, bonus } }: { detail: CoinDetail }) {
  return (
    <>
      <ul class="votes">
        {groups.map((group) => (
          <li key={group.name}>
            <span>{group.name}</span>
            <VoteBar vote={group.vote} />
            <b class={group.vote >= 0 ? "up" : "down"}>{signed(group.vote)}</b>
            <span class="dim">{group.agrees ? "agrees" : ""}</span>
          </li>
        ))}
      </ul>
      {intervals.map((frame) => (
        <details key={frame.interval}>
          <summary>
            <b>{frame.interval}</b> <span class="up">{whole(frame.long_score)} long</span> ·{" "}
            <span class="down">{whole(frame.short_score)} short</span>
            <span class="dim">
              {" "}
              {frame.regime.toLowerCase()}
              {frame.squeeze ? ", squeeze" : ""}, weight {signed(timeframe_weights[frame.interval] ?? null)}
            </span>
          </summary>
          <ul class="votes">
            {Object.entries(frame.votes)
              .sort(([a], [b]) => (frame.weights[b] ?? 0) - (frame.weights[a] ?? 0))
              .map(([name, vote]) => (
                <li key={name}>
                  <span>{name.replaceAll("_", " ")}</span>
                  <VoteBar vote={vote} />
                  <b class={vote >= 0 ? "up" : "down"}>{signed(vote)}</b>
                  <span class="dim">{((frame.weights[name] ?? 0) * 100).toFixed(0)} %</span>
                </li>
              ))}
          </ul>
        </details>
      ))}
      {bonus.length > 0 && (
        <p class="dim">
          Patterns: {bonus.map((part) => `${part.name.replaceAll("_", " ")} ${part.interval} ${signed(part.points)}`).join(", ")}
        </p>
      )}
    </>
  );
}

// From −1 (short, to the left) to +1 (long, to the right).
function VoteBar({ vote }: { vote: number }) {
  const width = `${Math.min(1, Math.abs(vote)) * 50}%`;
  return (
    <span class="vote-bar" aria-hidden="true">
      <i class={vote >= 0 ? "long" : "short"} style={vote >= 0 ? { left: "50%", width } : { right: "50%", width }} />
    </span>
  );
}
