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

export function Loading() {
  return (
    <p class="loading" role="status">
      Loading…
    </p>
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
