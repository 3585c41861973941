// The fields of one object of the settings, drawn from its JSON Schema.

import type { Tree, Value } from "./config";
import { hintOf, labelOf } from "./fieldWords";
import { Choices, ListInput, NumberInput, SecretMap } from "./inputs";
import { type FieldOf, fieldsOf, initial, type Schema } from "./schema";

interface Props {
  owner: string; // for the hints: the channel's name, "route", …
  root: Schema;
  schema: Schema;
  value: Tree;
  change: (next: Tree) => void;
  choices?: Record<string, string[]>; // for lists whose words are known
}

export function SchemaFields({ owner, root, schema, value, change, choices = {} }: Props) {
  return (
    <>
      {fieldsOf(root, schema).map((field) => {
        const known = choices[field.name];
        const shown = known ? { ...field, kind: "choices" as const, schema: { ...field.schema, items: { enum: known } } } : field;
        const set = (next: Value) => change({ ...value, [field.name]: next });
        return <OneField key={field.name} owner={owner} root={root} field={shown} value={value[field.name]} change={set} />;
      })}
    </>
  );
}

interface OneProps {
  owner: string;
  root: Schema;
  field: FieldOf;
  value: Value;
  change: (next: Value) => void;
}

function OneField({ owner, root, field, value, change }: OneProps) {
  const { name, schema } = field;
  const id = `${owner}-${name}`;
  const hint = hintOf(owner, name);
  const shown = value === undefined ? (schema.default ?? "") : value;
  const input = (
    <div class="control">
      <Input id={id} owner={owner} root={root} field={field} value={shown} change={change} />
    </div>
  );
  const words = hint && <p class="dim">{hint}</p>;
  if (field.kind === "group" || field.kind === "choices" || field.kind === "secrets") {
    return (
      <div class="field" data-field={name} role="group" aria-labelledby={`${id}-name`}>
        <span id={`${id}-name`}>{labelOf(name)}</span>
        {input}
        {words}
      </div>
    );
  }
  return (
    <div class="field" data-field={name}>
      <label for={id}>{labelOf(name)}</label>
      {input}
      {words}
    </div>
  );
}

function Input({ id, owner, root, field, value, change }: OneProps & { id: string }) {
  const { kind, schema, optional, required } = field;
  switch (kind) {
    case "boolean":
      return <input id={id} type="checkbox" checked={Boolean(value)} onChange={(event) => change(event.currentTarget.checked)} />;
    case "choice":
      return (
        <select id={id} value={String(value ?? "")} onChange={(event) => change(event.currentTarget.value || null)}>
          {optional && <option value="">any</option>}
          {schema.enum!.map((choice) => (
            <option key={choice}>{choice}</option>
          ))}
        </select>
      );
    case "choices":
      return <Choices known={schema.items!.enum!} value={value as string[]} change={change} />;
    case "number":
    case "integer":
      return <NumberInput id={id} schema={schema} value={value} change={change} />;
    case "list":
      return <ListInput id={id} value={value as string[]} change={change} required={required} />;
    case "secrets":
      return <SecretMap value={(value || {}) as Record<string, string | null>} change={change} />;
    case "group":
      return <Group id={id} owner={owner} root={root} field={field} value={value} change={change} />;
    default:
      return (
        <input
          id={id}
          type={kind === "secret" ? "password" : "text"}
          autocomplete="off"
          required={required}
          pattern={schema.pattern}
          value={String(value ?? "")}
          onInput={(event) => change(event.currentTarget.value)}
        />
      );
  }
}

// An object that may be absent: a switch, and its fields while it is there.
function Group({ id, owner, root, field, value, change }: OneProps & { id: string }) {
  const held = value && typeof value === "object" ? (value as Tree) : null;
  return (
    <div class="group">
      <label>
        <input type="checkbox" checked={held !== null} onChange={() => change(held ? null : initial(root, field.schema))} />
        {held ? "on" : "off"}
      </label>
      {held && <SchemaFields owner={`${owner}-${id}`} root={root} schema={field.schema} value={held} change={change} />}
    </div>
  );
}
