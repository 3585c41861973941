// Writes every board into dashboards/ (or into the folder named): classic JSON, which Grafana provisions at its first start.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import overview from "./boards/overview.mjs";
import signals from "./boards/signals.mjs";
import * as services from "./boards/services.mjs";

const folder = process.argv[2] ?? new URL("dashboards", import.meta.url).pathname;
mkdirSync(folder, { recursive: true });
for (const builder of [overview, signals, ...Object.values(services)]) {
  const made = builder.build();
  made.panels.forEach((panel, place) => { panel.id = place + 1; });
  writeFileSync(join(folder, `${made.uid}.json`), `${JSON.stringify(made, null, 2)}\n`);
}
