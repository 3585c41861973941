// Short messages at the foot of the page: the outcome of an action.

import { signal } from "@preact/signals";
import { KeyNeeded } from "../api/client";
import { signInAsked } from "../api/session";

interface Note {
  id: number;
  words: string;
  tone: "good" | "bad" | "";
  about: string;
}

const SHOWN_MS = 6_000;
const notes = signal<Note[]>([]);
let last = 0;

// A note takes the place of those *about* the same.
export function note(words: string, tone: Note["tone"] = "", about = ""): void {
  const id = ++last;
  const others = notes.value.filter((held) => !about || held.about !== about);
  notes.value = [...others.slice(-3), { id, words, tone, about }];
  setTimeout(() => {
    notes.value = notes.value.filter((held) => held.id !== id);
  }, SHOWN_MS);
}

// Await *work* and show *words*, or its error, as a note; return its value, null where it failed.
export async function withNote<T>(work: Promise<T>, words: string): Promise<T | null> {
  try {
    const value = await work;
    if (words) note(words, "good");
    return value;
  } catch (error) {
    if (error instanceof KeyNeeded) signInAsked.value = error.message;
    else note(error instanceof Error ? error.message : String(error), "bad");
    return null;
  }
}

export function Notes() {
  return (
    <div class="notes" role="status" aria-live="polite">
      {notes.value.map(({ id, words, tone }) => (
        <p key={id} class={tone}>
          {words}
        </p>
      ))}
    </div>
  );
}
