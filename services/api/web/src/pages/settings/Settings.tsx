// Every setting with its explanation, default and unit; changes are previewed, saved together, and can be undone.

import { useEffect, useState } from "preact/hooks";
import type { Setting } from "../../api/types";
import { useFetched } from "../../api/useFetched";
import { route, setQuery } from "../../router";
import { config, loadConfig, merged, patchOf, type Tree, valueAt } from "../../settings/config";
import { Failed, Loading } from "../../shell/states";
import { Changes } from "./Changes";
import { Destinations } from "./Destinations";
import { Field } from "./Field";
import { Routes } from "./Routes";
import { ThisBrowser } from "./ThisBrowser";
import { Undo } from "./Undo";

export default function Settings() {
  const { data, error, again } = useFetched<{ items: Setting[] }>("api/config/settings");
  const [patch, setPatch] = useState<Tree>({});
  const text = (route.value.query.get("q") ?? "").toLowerCase();
  useEffect(() => {
    void loadConfig().catch(() => undefined);
  }, []);
  const held = config.value;
  const shown = (data?.items ?? []).filter((item) => isField(item) && `${item.path} ${item.sentence}`.toLowerCase().includes(text));
  return (
    <section class="settings">
      <div class="page-head">
        <h1>Settings</h1>
        <input
          type="search"
          placeholder="Find a setting"
          aria-label="Find a setting"
          value={text}
          onInput={(event) => setQuery({ q: event.currentTarget.value })}
        />
        {held && <span class="dim">version {held.version}</span>}
      </div>
      <div class="settings-body">
        <div>
          {!text && <ThisBrowser />}
          {!text && <Destinations />}
          {!text && <Routes />}
          {error && <Failed error={error} again={again} />}
          {!data && !error && <Loading shape="panels" />}
          {held &&
            sections(shown).map(([name, items]) => (
              <section key={name} class="panel" id={`section-${name}`}>
                <h2>{name.replaceAll("_", " ")}</h2>
                {items.map((item) => (
                  <Field
                    key={item.path}
                    item={item}
                    value={valueAt(held.value, item.path)}
                    changed={valueAt(patch, item.path)}
                    change={(value) => setPatch((before) => merged(before, patchOf(item.path, value)))}
                  />
                ))}
              </section>
            ))}
          {data && !shown.length && <p class="dim">No setting matches “{text}”.</p>}
        </div>
        <aside>
          <Changes patch={patch} clear={() => setPatch({})} />
          <Undo version={held?.version ?? 0} />
        </aside>
      </div>
    </section>
  );
}

// Destinations and routes have their own place; maps of free names are edited in config.yaml.
function isField({ path, kind }: Setting): boolean {
  return !path.startsWith("destinations") && path !== "routes" && kind !== "map";
}

function sections(items: Setting[]): [string, Setting[]][] {
  const groups = new Map<string, Setting[]>();
  for (const item of items) {
    const name = item.path.includes(".") ? item.path.split(".")[0]! : "general";
    groups.set(name, [...(groups.get(name) ?? []), item]);
  }
  return [...groups];
}
