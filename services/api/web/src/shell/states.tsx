// What a page shows while it loads, when there is nothing, and when something failed.

import type { ComponentChildren } from "preact";

export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <span class="gate-mark" aria-hidden="true" />
      <h2>{title}</h2>
      {children}
    </div>
  );
}

export function Skeleton({ cards }: { cards: number }) {
  return (
    <ul class="cards skeleton" aria-busy="true" aria-label="Loading">
      {Array.from({ length: cards }, (_, index) => (
        <li key={index} class="card" />
      ))}
    </ul>
  );
}

type Shape = "rows" | "tiles" | "panels" | "chart";
const BLOCKS: Record<Shape, number> = { rows: 9, tiles: 6, panels: 3, chart: 1 };

// Grey blocks of about the size of what is to come.
export function Loading({ shape }: { shape: Shape }) {
  return (
    <div class={`loading as-${shape}`} role="status" aria-busy="true">
      <span class="sr-only">Loading…</span>
      {Array.from({ length: BLOCKS[shape] }, (_, index) => (
        <i key={index} />
      ))}
    </div>
  );
}

export function Failed({ error, again }: { error: Error; again: () => void }) {
  return (
    <div class="failed" role="alert">
      <p>{error.message}</p>
      <button type="button" onClick={again}>
        Try again
      </button>
    </div>
  );
}
