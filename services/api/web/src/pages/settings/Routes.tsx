// Which alerts go to which destinations: each route in words, and a form for all of its conditions.

import { useState } from "preact/hooks";
import { config, patchConfig, type Tree, withoutEmpty } from "../../settings/config";
import { SchemaFields } from "../../settings/SchemaFields";
import { routeSchema, type Schema } from "../../settings/schema";
import { useSchema } from "../../settings/useSchema";
import { withNote } from "../../shell/notes";
import { routeWords } from "./routeWords";

const NEW = -1;

export function Routes() {
  const root = useSchema();
  const [open, setOpen] = useState<number | null>(null);
  const value = config.value?.value;
  const destinations = Object.keys((value?.destinations ?? {}) as object);
  if (!value || !destinations.length) return null;
  const routes = (value.routes ?? []) as Tree[];
  const save = async (next: Tree[], words: string) => {
    if (await withNote(patchConfig({ routes: next.map(withoutEmpty) }), words)) setOpen(null);
  };
  const form = (at: number, held: Tree) => (
    <RouteForm
      root={root!}
      destinations={destinations}
      held={held}
      save={(route) =>
        void save(at === NEW ? [...routes, route] : routes.map((each, index) => (index === at ? route : each)), "The route is saved")
      }
      cancel={() => setOpen(null)}
    />
  );
  return (
    <section class="panel" id="section-routes">
      <h2>
        Routes <small>an alert goes to every route that it fits</small>
      </h2>
      <ol class="plain rows">
        {routes.map((route, at) => (
          <li key={JSON.stringify(route)}>
            <span>{routeWords(route)}</span>
            <span class="buttons">
              <button type="button" disabled={!root} onClick={() => setOpen(open === at ? null : at)} aria-expanded={open === at}>
                Edit
              </button>
              <button
                type="button"
                class="link"
                onClick={() =>
                  void save(
                    routes.filter((_, index) => index !== at),
                    "The route is removed",
                  )
                }
              >
                remove
              </button>
            </span>
            {open === at && form(at, route)}
          </li>
        ))}
      </ol>
      {open === NEW ? (
        form(NEW, { destinations: destinations.slice(0, 1) })
      ) : (
        <button type="button" disabled={!root} onClick={() => setOpen(NEW)}>
          Add a route
        </button>
      )}
    </section>
  );
}

interface FormProps {
  root: Schema;
  destinations: string[];
  held: Tree;
  save: (route: Tree) => void;
  cancel: () => void;
}

function RouteForm({ root, destinations, held, save, cancel }: FormProps) {
  const [value, setValue] = useState<Tree>(held);
  const submit = (event: Event) => {
    event.preventDefault();
    save(value);
  };
  return (
    <form class="fields" aria-label="Route" onSubmit={submit}>
      <SchemaFields owner="route" root={root} schema={routeSchema(root)} value={value} change={setValue} choices={{ destinations }} />
      <div class="buttons">
        <button type="submit" class="primary">
          Save
        </button>
        <button type="button" onClick={cancel}>
          Cancel
        </button>
      </div>
    </form>
  );
}
