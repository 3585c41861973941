// The gates: value against threshold now, and the share of scans that passed each over the last day.

import type { Gate, JudgedScan } from "../../api/types";
import { HeadRow } from "../../shell/HeadRow";
import { figure, signed } from "../../text/format";
import { clock } from "../../text/time";

interface Props {
  gates: Gate[];
  history: JudgedScan[]; // newest first
  outcome: string;
}

export function GateLadder({ gates, history, outcome }: Props) {
  if (!gates.length) return <p class="dim">Not judged: {outcome}.</p>;
  return (
    <>
      <table class="ladder">
        <HeadRow names={["Gate", "Value", "Needs", "Apart", "Last day"]} />
        <tbody>
          {gates.map((gate, index) => (
            <tr key={gate.gate} class={gate.passed ? "pass" : "fail"}>
              <th scope="row">
                <span aria-hidden="true">{gate.passed ? "●" : "○"}</span> {gate.gate}
                <span class="sr-only">{gate.passed ? " passed" : " not passed"}</span>
                {gate.missing && <small>{gate.reason}</small>}
              </th>
              <td class="number">{figure(gate.value)}</td>
              <td class="number dim">{figure(gate.threshold)}</td>
              <td class="number">{signed(gate.distance)}</td>
              <td>
                <Strip history={history} index={index} gate={gate.gate} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <p class="dim">
        Result: {outcome}. {history.length > 1 && `History since ${clock(history.at(-1)?.scan_id)}.`}
      </p>
    </>
  );
}

const PIECES = 48;

// The share of scans that passed, oldest at the left: 48 pieces, however many scans there are.
function Strip({ history, index, gate }: { history: JudgedScan[]; index: number; gate: string }) {
  const known = history.filter((scan) => scan.gates[index]);
  if (!known.length) return <span class="dim">–</span>;
  const passed = known.filter((scan) => scan.gates[index]!.passed).length;
  const oldest = [...known].reverse();
  const size = Math.max(1, Math.ceil(oldest.length / PIECES));
  const pieces = Array.from({ length: Math.ceil(oldest.length / size) }, (_, at) => {
    const part = oldest.slice(at * size, (at + 1) * size);
    return part.filter((scan) => scan.gates[index]!.passed).length / part.length;
  });
  return (
    <span
      class="strip"
      role="img"
      aria-label={`${gate}: passed in ${passed} of the last ${known.length} scans`}
      title={`passed in ${passed} of ${known.length} scans`}
    >
      {pieces.map((share, at) => (
        <i key={at} style={{ opacity: 0.15 + 0.85 * share }} />
      ))}
    </span>
  );
}
