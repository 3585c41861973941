// A choice between a few words, and a switch.

import type { ComponentChildren } from "preact";

interface ChoiceProps<T extends string> {
  name: string;
  value: T;
  options: Record<T, string>;
  change: (value: T) => void;
}

export function Choice<T extends string>({ name, value, options, change }: ChoiceProps<T>) {
  return (
    <div class="choice" role="group" aria-label={name}>
      {(Object.entries(options) as [T, string][]).map(([key, words]) => (
        <button key={key} type="button" aria-pressed={key === value} onClick={() => change(key)}>
          {words}
        </button>
      ))}
    </div>
  );
}

export function Toggle({ on, change, children }: { on: boolean; change: (on: boolean) => void; children: ComponentChildren }) {
  return (
    <button type="button" class="toggle" aria-pressed={on} onClick={() => change(!on)}>
      {children}
    </button>
  );
}
