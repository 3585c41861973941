// Quiet hours: alerts wait until they end.

import { useEffect, useState } from "preact/hooks";
import { withNote } from "../shell/notes";
import { config, loadConfig, patchConfig } from "./config";

interface Hours {
  start: string;
  end: string;
}

export function QuietHours() {
  const held = config.value?.value.quiet_hours as Hours | null | undefined;
  const zone = (config.value?.value.presentation as { timezone?: string } | undefined)?.timezone ?? "UTC";
  const [start, setStart] = useState("23:00");
  const [end, setEnd] = useState("07:00");
  useEffect(() => {
    void loadConfig().catch(() => undefined);
  }, []);
  useEffect(() => {
    if (!held) return;
    setStart(held.start);
    setEnd(held.end);
  }, [held]);
  const save = (event: Event) => {
    event.preventDefault();
    void withNote(patchConfig({ quiet_hours: { start, end } }), `Quiet from ${start} to ${end} (${zone})`);
  };
  return (
    <form class="inline-form" onSubmit={save}>
      <label>
        <span>from</span>
        <input type="time" required value={start} onInput={(event) => setStart(event.currentTarget.value)} />
      </label>
      <label>
        <span>to</span>
        <input type="time" required value={end} onInput={(event) => setEnd(event.currentTarget.value)} />
      </label>
      <span class="dim">{zone}</span>
      <button type="submit" class="primary">
        Save
      </button>
      {held && (
        <button type="button" onClick={() => void withNote(patchConfig({ quiet_hours: null }), "No quiet hours")}>
          Turn off
        </button>
      )}
    </form>
  );
}
