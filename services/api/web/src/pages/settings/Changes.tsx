// The unsaved changes, checked by the server before anything is saved.

import { useEffect, useState } from "preact/hooks";
import { send } from "../../api/client";
import type { ConfigCheck } from "../../api/types";
import { patchConfig, type Tree } from "../../settings/config";
import { withNote } from "../../shell/notes";
import { words } from "./Field";
import { WhatIf } from "./WhatIf";

export function Changes({ patch, clear }: { patch: Tree; clear: () => void }) {
  const [check, setCheck] = useState<ConfigCheck | null>(null);
  const text = JSON.stringify(patch);
  const isEmpty = text === "{}";
  useEffect(() => {
    if (isEmpty) return setCheck(null);
    let stale = false;
    send<ConfigCheck>("POST", "api/config/validate", patch).then(
      (found) => !stale && setCheck(found),
      (error: Error) => !stale && setCheck({ valid: false, mistakes: [error.message], notes: [], changes: [] }),
    );
    return () => {
      stale = true;
    };
  }, [text]);
  if (isEmpty) return null;
  const thresholds = patch.thresholds as Tree | undefined;
  const save = async () => {
    if (await withNote(patchConfig(patch), "Saved; every service has the new settings")) clear();
  };
  return (
    <section class="panel changes" aria-label="Changes">
      <h2>Changes</h2>
      <ul class="plain">
        {check?.changes.map(({ path, before, after }) => (
          <li key={path}>
            <b>{path}</b> <s class="dim">{words(before)}</s> → {words(after)}
          </li>
        ))}
      </ul>
      {check?.mistakes.map((mistake) => (
        <p key={mistake} class="mistake" role="alert">
          {mistake}
        </p>
      ))}
      {check?.notes.map((note) => (
        <p key={note} class="dim">
          {note}
        </p>
      ))}
      {check?.valid && thresholds && <WhatIf thresholds={thresholds} />}
      <div class="buttons">
        <button type="button" class="primary" disabled={!check?.valid} onClick={() => void save()}>
          Save
        </button>
        <button type="button" onClick={clear}>
          Discard
        </button>
      </div>
    </section>
  );
}
