// The saved changes, newest first, each with an undo button.

import { send } from "../../api/client";
import type { ConfigChange } from "../../api/types";
import { useFetched } from "../../api/useFetched";
import { loadConfig, type Tree } from "../../settings/config";
import { withNote } from "../../shell/notes";
import { dayClock } from "../../text/time";
import { words } from "./Field";

export function Undo({ version }: { version: number }) {
  const { data, again } = useFetched<{ items: ConfigChange[] }>("api/config/history?limit=20", version);
  const undo = async (id: number) => {
    if (await withNote(send("POST", `api/config/history/${id}/undo`), "Undone")) {
      await loadConfig().catch(() => undefined);
      again();
    }
  };
  return (
    <section class="panel history" aria-label="History">
      <h2>History</h2>
      {data?.items.length ? (
        <ul class="plain rows">
          {data.items.map((change) => (
            <li key={change.change_id} class={change.undone ? "over" : ""}>
              <span class="dim">
                {dayClock(change.at)} {change.by}
              </span>
              <span>{flat(change.patch as Tree).join(", ")}</span>
              {change.undone ? (
                <span class="dim">undone</span>
              ) : (
                <button type="button" class="link" onClick={() => void undo(change.change_id)}>
                  undo
                </button>
              )}
            </li>
          ))}
        </ul>
      ) : (
        <p class="dim">Nothing was changed here: config.yaml and the defaults count.</p>
      )}
    </section>
  );
}

function flat(tree: Tree, prefix = ""): string[] {
  return Object.entries(tree).flatMap(([name, value]) =>
    typeof value === "object" && value !== null && !Array.isArray(value)
      ? flat(value as Tree, `${prefix}${name}.`)
      : [`${prefix}${name}: ${words(value)}`],
  );
}
