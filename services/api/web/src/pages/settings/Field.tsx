// One setting: its name, sentence, control, unit and default.

import type { Setting } from "../../api/types";
import type { Value } from "../../settings/config";

interface Props {
  item: Setting;
  value: Value;
  changed: Value | undefined;
  change: (value: Value) => void;
}

export function Field({ item, value, changed, change }: Props) {
  const shown = changed === undefined ? value : changed === null ? item.default : changed;
  const name = item.path.split(".").slice(-1)[0]!.replaceAll("_", " ");
  const id = `set-${item.path}`;
  const isDefault = JSON.stringify(shown) === JSON.stringify(item.default);
  return (
    <div class={`field ${changed === undefined ? "" : "changed"}`} data-setting={item.path}>
      <label for={id}>{name}</label>
      <div class="control">
        <Control id={id} item={item} value={shown} change={change} />
        <span class="unit">{item.unit}</span>
        {!isDefault && !item.file_only && (
          <button type="button" class="link" onClick={() => change(null)}>
            default
          </button>
        )}
      </div>
      <p class="dim">
        {item.sentence} {item.secret ? "" : `Default: ${words(item.default)}${item.unit && ` ${item.unit}`}.`}
        {item.file_only && " Only config.yaml may set it."}
      </p>
    </div>
  );
}

export function words(value: Value): string {
  if (value === null || value === undefined || value === "") return "none";
  if (typeof value === "boolean") return value ? "on" : "off";
  if (Array.isArray(value)) return value.length ? value.map(words).join(", ") : "none";
  if (typeof value === "object") return JSON.stringify(value);
  return String(value);
}

interface ControlProps {
  id: string;
  item: Setting;
  value: Value;
  change: (value: Value) => void;
}

function Control({ id, item, value, change }: ControlProps) {
  const disabled = item.file_only;
  if (item.kind === "boolean") {
    return (
      <input
        id={id}
        type="checkbox"
        disabled={disabled}
        checked={Boolean(value)}
        onChange={(event) => change(event.currentTarget.checked)}
      />
    );
  }
  if (item.kind === "choice") {
    return (
      <select id={id} disabled={disabled} value={String(value)} onChange={(event) => change(event.currentTarget.value)}>
        {item.choices.map((choice) => (
          <option key={choice}>{choice}</option>
        ))}
      </select>
    );
  }
  if (item.kind === "number" || item.kind === "integer") {
    return (
      <input
        id={id}
        type="number"
        disabled={disabled}
        step={item.kind === "integer" ? 1 : "any"}
        min={item.minimum ?? undefined}
        max={item.maximum ?? undefined}
        value={value === null || value === undefined ? "" : Number(value)}
        onChange={(event) => change(event.currentTarget.value === "" ? null : Number(event.currentTarget.value))}
      />
    );
  }
  if (item.kind === "list") return <ListControl id={id} disabled={disabled} value={value} change={change} />;
  return (
    <input
      id={id}
      type={item.secret ? "password" : "text"}
      autocomplete="off"
      disabled={disabled}
      value={value === null || value === undefined ? "" : String(value)}
      onChange={(event) => change(event.currentTarget.value)}
    />
  );
}

// A list of words, by comma; lists of anything else are shown and edited in config.yaml.
function ListControl({ id, disabled, value, change }: { id: string; disabled: boolean; value: Value; change: (value: Value) => void }) {
  const items = Array.isArray(value) ? value : [];
  if (items.some((item) => typeof item === "object")) return <code id={id}>{`${items.length} in config.yaml`}</code>;
  return (
    <input
      id={id}
      type="text"
      disabled={disabled}
      placeholder="none; separate by comma"
      value={items.join(", ")}
      onChange={(event) =>
        change(
          event.currentTarget.value
            .split(",")
            .map((word) => word.trim())
            .filter(Boolean),
        )
      }
    />
  );
}
