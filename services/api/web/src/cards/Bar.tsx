// A value from 0 to 100 as a bar, with a mark where its threshold stands.

import { whole } from "../text/format";

interface Props {
  name: string;
  value: number | null;
  threshold?: number | undefined;
  hint?: string;
}

export function Bar({ name, value, threshold, hint }: Props) {
  const reached = value !== null && (threshold === undefined || value >= threshold);
  const spoken = threshold === undefined ? whole(value) : `${whole(value)}, threshold ${whole(threshold)}`;
  return (
    <div class={`bar ${reached ? "reached" : "short-of"}`} title={hint ?? `${name} ${spoken}`}>
      <span class="bar-name">{name}</span>
      <span class="track" aria-hidden="true">
        <i style={{ width: `${Math.max(0, Math.min(100, value ?? 0))}%` }} />
        {threshold !== undefined && <em style={{ left: `${threshold}%` }} />}
      </span>
      <b>{whole(value)}</b>
      {threshold !== undefined && <span class="sr-only">, threshold {whole(threshold)}</span>}
    </div>
  );
}
