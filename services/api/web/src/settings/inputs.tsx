// Inputs for the kinds of values that HTML has no element for: lists, several of a choice, maps of secrets.

import { useState } from "preact/hooks";
import type { Value } from "./config";
import type { Schema } from "./schema";

type Change = (next: Value) => void;

export function Choices({ known, value, change }: { known: string[]; value: string[] | ""; change: Change }) {
  const chosen = new Set(value || []);
  const flip = (word: string) => change(known.filter((each) => (each === word ? !chosen.has(word) : chosen.has(each))));
  return (
    <div class="choices">
      {known.map((word) => (
        <label key={word}>
          <input type="checkbox" checked={chosen.has(word)} onChange={() => flip(word)} />
          {word}
        </label>
      ))}
    </div>
  );
}

export function NumberInput({ id, schema, value, change }: { id: string; schema: Schema; value: Value; change: Change }) {
  return (
    <input
      id={id}
      type="number"
      step={schema.type === "integer" ? 1 : "any"}
      min={schema.minimum}
      max={schema.maximum}
      value={value === null || value === "" ? "" : Number(value)}
      onChange={(event) => change(event.currentTarget.value === "" ? null : Number(event.currentTarget.value))}
    />
  );
}

export function ListInput({ id, value, change, required }: { id: string; value: string[] | ""; change: Change; required: boolean }) {
  const items = (text: string) =>
    text
      .split(",")
      .map((word) => word.trim())
      .filter(Boolean);
  return (
    <input
      id={id}
      type="text"
      required={required}
      placeholder="separate by comma"
      value={(value || []).join(", ")}
      onChange={(event) => change(items(event.currentTarget.value))}
    />
  );
}

// Names with secret values: a value is written, never read; null takes a name away.
export function SecretMap({ value, change }: { value: Record<string, string | null>; change: Change }) {
  const [name, setName] = useState("");
  const [secret, setSecret] = useState("");
  const add = () => {
    if (!name) return;
    change({ ...value, [name]: secret });
    setName("");
    setSecret("");
  };
  return (
    <div class="choices">
      {Object.entries(value)
        .filter(([, held]) => held !== null)
        .map(([held]) => (
          <span key={held}>
            <code>{held}</code>
            <button type="button" class="link" onClick={() => change({ ...value, [held]: null })}>
              remove
            </button>
          </span>
        ))}
      <input aria-label="name" placeholder="name" value={name} onInput={(event) => setName(event.currentTarget.value)} />
      <input
        aria-label="value"
        type="password"
        autocomplete="off"
        placeholder="value"
        value={secret}
        onInput={(event) => setSecret(event.currentTarget.value)}
      />
      <button type="button" onClick={add}>
        Add
      </button>
    </div>
  );
}
