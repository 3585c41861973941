// The gates as dots, and the names of those that refused.

import type { Gate } from "../api/types";

export function missingWords(gates: Gate[]): string {
  return gates
    .filter((gate) => !gate.passed)
    .map((gate) => gate.missing)
    .join(" · ");
}

export function GateDots({ gates, words = true }: { gates: Gate[]; words?: boolean }) {
  if (!gates.length) return null;
  const passed = gates.filter((gate) => gate.passed).length;
  const missing = missingWords(gates);
  return (
    <div class="gates">
      <span class="dots" role="img" aria-label={`${passed} of ${gates.length} gates passed${missing && `; missing: ${missing}`}`}>
        {gates.map((gate) => (
          <i key={gate.gate} class={gate.passed ? "pass" : "fail"} title={gateTitle(gate)} />
        ))}
      </span>
      <b aria-hidden="true">
        {passed}/{gates.length}
      </b>
      {words && (
        <span class={missing ? "missing" : "missing all"} title={missing}>
          {missing || "all gates passed"}
        </span>
      )}
    </div>
  );
}

function gateTitle({ gate, passed, missing, reason }: Gate): string {
  return `${gate}: ${passed ? reason || "passed" : missing}`;
}
