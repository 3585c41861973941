// A setup's costs and break-even share, and the results of comparable setups, where the API keeps a record.

import type { Signal } from "../api/types";
import { costsInForce } from "./cost";
import { needsOf, needsWords, type Plan } from "./needs";

export function NeedsLine({ plan }: { plan: Plan | null }) {
  const needs = plan && needsOf(plan, costsInForce());
  if (!needs) return <span class="record" />;
  return (
    <span class="record" title="fees and slippage in R, and how often the target has to come before the stop so that it costs nothing">
      {needsWords(needs)}
    </span>
  );
}

// What the signal's alert said about similar setups; empty where it said nothing.
export function RecordLine({ worth }: { worth: Signal["worth"] | undefined }) {
  return worth ? <p class="record">{worth.record}</p> : null;
}
