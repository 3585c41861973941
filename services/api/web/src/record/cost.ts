// What a round trip costs by the settings in force.

import { config, valueAt } from "../settings/config";
import { USUAL_COSTS } from "./needs";

export function costsInForce(): number {
  const costs = valueAt(config.value?.value, "analysis.costs");
  return typeof costs === "number" ? costs : USUAL_COSTS;
}
