// A setup's costs and break-even share, and the results of comparable setups, where the API keeps a record.

import { useFetched } from "../api/useFetched";
import { hasRecord } from "./available";
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

// The record's line about a signal, with its n; empty without a record.
export function RecordLine({ signalId }: { signalId: string }) {
  const { data } = useFetched<{ line: string }>(hasRecord.value && signalId ? `api/record/${encodeURIComponent(signalId)}` : null);
  return data ? <p class="record">{data.line}</p> : null;
}
