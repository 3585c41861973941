// Where alerts go: each destination with a test, its settings, and a way to add one.

import { useState } from "preact/hooks";
import { send } from "../../api/client";
import { deliveries } from "../../live/store";
import { config, patchConfig, type Tree } from "../../settings/config";
import { DestinationForm } from "../../settings/DestinationForm";
import type { Schema } from "../../settings/schema";
import { useSchema } from "../../settings/useSchema";
import { withNote } from "../../shell/notes";

export function Destinations() {
  const root = useSchema();
  const [adding, setAdding] = useState(false);
  const value = config.value?.value;
  if (!value) return null;
  const destinations = Object.entries((value.destinations ?? {}) as Record<string, Tree>);
  const routes = (value.routes ?? []) as Tree[];
  return (
    <section class="panel" id="section-destinations">
      <h2>
        Destinations <a href="#/setup">set one up step by step</a>
      </h2>
      {!destinations.length && <p class="dim">No alert destinations are configured: alerts are shown on this page only.</p>}
      <ul class="plain rows">
        {destinations.map(([name, held]) => (
          <Destination key={name} name={name} held={held} root={root} routes={routes} />
        ))}
      </ul>
      {adding && root ? (
        <DestinationForm root={root} done={() => setAdding(false)} cancel={() => setAdding(false)} />
      ) : (
        <button type="button" disabled={!root} onClick={() => setAdding(true)}>
          Add a destination
        </button>
      )}
    </section>
  );
}

interface Props {
  name: string;
  held: Tree;
  root: Schema | null;
  routes: Tree[];
}

function Destination({ name, held, root, routes }: Props) {
  const [editing, setEditing] = useState(false);
  const last = deliveries.value.find((report) => report.destination === name);
  const isRouted = routes.some((route) => leadsTo(route, name));
  const remove = () => {
    if (confirm(`Remove ${name}? Alerts will no longer be sent there.`))
      void withNote(patchConfig(removalOf(name, routes)), `${name} is removed`);
  };
  const test = () => void withNote(send("POST", `api/destinations/${encodeURIComponent(name)}/test`), `A test is on its way to ${name}`);
  return (
    <li data-destination={name}>
      <b>{name}</b> <span class="tag">{String(held.channel)}</span>
      {held.muted === true && <span class="tag fair">suspended by you</span>}
      {!isRouted && <span class="dim">no route leads here</span>}
      {last && <span class={`tag ${last.status}`}>{last.status}</span>}
      <span class="buttons">
        <button type="button" onClick={test}>
          Send a test
        </button>
        <button type="button" disabled={!root} aria-expanded={editing} onClick={() => setEditing(!editing)}>
          Edit
        </button>
        <button type="button" class="link" onClick={remove}>
          remove
        </button>
      </span>
      {editing && root && (
        <DestinationForm root={root} held={{ name, value: held }} done={() => setEditing(false)} cancel={() => setEditing(false)} />
      )}
    </li>
  );
}

function leadsTo(route: Tree, name: string): boolean {
  return (route.destinations as string[]).includes(name);
}

function removalOf(name: string, routes: Tree[]): Tree {
  const left = routes.map((route) => ({ ...route, destinations: (route.destinations as string[]).filter((other) => other !== name) }));
  return { destinations: { [name]: null }, routes: left.filter((route) => route.destinations.length) };
}
