// The list of keys.

import { useEffect, useRef } from "preact/hooks";
import { helpShown, KEYS } from "./keys";

export function Help() {
  const dialog = useRef<HTMLDialogElement>(null);
  const shown = helpShown.value;
  useEffect(() => {
    if (shown && !dialog.current?.open) dialog.current?.showModal();
    else if (!shown) dialog.current?.close();
  }, [shown]);
  return (
    <dialog ref={dialog} class="help" aria-labelledby="help-title" onClose={() => (helpShown.value = false)}>
      <h2 id="help-title">Keys</h2>
      <dl>
        {KEYS.map(([key, words]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{words}</dd>
          </div>
        ))}
      </dl>
      <button type="button" onClick={() => (helpShown.value = false)}>
        Close
      </button>
    </dialog>
  );
}
