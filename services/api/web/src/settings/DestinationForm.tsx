// A destination's form: all fields of its channel; made anew, or changed without touching what is masked.

import { useState } from "preact/hooks";
import { Choice } from "../shell/controls";
import { withNote } from "../shell/notes";
import { config, difference, patchConfig, type Tree, withoutEmpty } from "./config";
import { SchemaFields } from "./SchemaFields";
import { channelsOf, initial, type Schema } from "./schema";

interface Props {
  root: Schema;
  held?: { name: string; value: Tree };
  done: (name: string) => void;
  cancel?: () => void;
}

const TITLES: Record<string, string> = {
  telegram: "Telegram",
  discord: "Discord",
  email: "E-mail",
  webhook: "Webhook",
  apprise: "Apprise",
};

export function DestinationForm({ root, held, done, cancel }: Props) {
  const channels = channelsOf(root);
  const [channel, setChannel] = useState(String(held?.value.channel ?? "email"));
  const [name, setName] = useState(held?.name ?? "");
  const [value, setValue] = useState<Tree>(held?.value ?? initial(root, channels[channel]!));
  const choose = (next: string) => {
    setChannel(next);
    setValue(initial(root, channels[next]!));
  };
  const save = async (event: Event) => {
    event.preventDefault();
    const patch = held ? changeOf(held.name, held.value, value) : additionOf(name, { channel, ...value });
    if (await withNote(patchConfig(patch), `${name} is saved`)) done(name);
  };
  return (
    <form class="fields" aria-label={held ? `Edit ${held.name}` : "Add a destination"} onSubmit={(event) => void save(event)}>
      {!held && (
        <>
          <Choice name="Channel" value={channel} options={titles(channels)} change={choose} />
          <div class="field">
            <label for="destination-name">Name</label>
            <div class="control">
              <input id="destination-name" required value={name} onInput={(event) => setName(event.currentTarget.value)} />
            </div>
          </div>
        </>
      )}
      <SchemaFields key={channel} owner={channel} root={root} schema={channels[channel]!} value={value} change={setValue} />
      <div class="buttons">
        <button type="submit" class="primary">
          Save
        </button>
        {cancel && (
          <button type="button" onClick={cancel}>
            Cancel
          </button>
        )}
      </div>
    </form>
  );
}

function titles(channels: Record<string, Schema>): Record<string, string> {
  return Object.fromEntries(Object.keys(channels).map((name) => [name, TITLES[name] ?? name]));
}

function changeOf(name: string, before: Tree, after: Tree): Tree {
  return { destinations: { [name]: difference(before, after) } };
}

// A new destination gets every alert, until its route says otherwise.
export function additionOf(name: string, value: Tree): Tree {
  const routes = (config.value?.value.routes ?? []) as Tree[];
  return { destinations: { [name]: withoutEmpty(value) }, routes: [...routes, { destinations: [name] }] };
}
