// What followed anomalies, counted in the direction of the day before, beside other moments of the same coins.

import { HeadRow } from "../../shell/HeadRow";
import { percent } from "../../text/format";
import { type Aftermath as Followed, shareWords } from "./record";

const HOURS = [1, 4, 24];
const AT_LEAST = 30; // anomalies, and other moments, for a figure
const FIGURES = ["Median", "Middle half", "Went on", "At other moments"];

export function Aftermath({ found }: { found: Followed[] }) {
  return (
    <section class="panel aftermath" aria-label="After anomalies">
      <h2>
        After anomalies <small>counted in the direction of the day before</small>
      </h2>
      {!found.some((one) => knownOf(one) >= AT_LEAST) ? (
        <p class="dim">
          No record yet: {Math.max(0, ...found.map(knownOf))} of {AT_LEAST} anomalies are known.
        </p>
      ) : (
        <Table found={found} />
      )}
    </section>
  );
}

const knownOf = (one: Followed | undefined): number => Math.min(one?.n ?? 0, one?.others_n ?? 0);

function Table({ found }: { found: Followed[] }) {
  return (
    <div class="scroll">
      <table>
        <HeadRow names={["After", ...FIGURES]} numbers={FIGURES} />
        <tbody>
          {HOURS.map((hours) => (
            <Row key={hours} hours={hours} one={found.find((each) => each.hours === hours)} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Row({ hours, one }: { hours: number; one: Followed | undefined }) {
  const known = knownOf(one);
  if (!one || known < AT_LEAST) {
    return (
      <tr>
        <th scope="row">{hours} h</th>
        <td colSpan={4} class="dim">
          no record yet: {known} of {AT_LEAST}
        </td>
      </tr>
    );
  }
  return (
    <tr>
      <th scope="row">{hours} h</th>
      <td class={`number ${one.median >= 0 ? "up" : "down"}`}>{percent(one.median)}</td>
      <td class="number">
        {percent(one.low, 1)} to {percent(one.high, 1)}
      </td>
      <td class="number">{shareWords(one.went_on, one.n)}</td>
      <td class="number">{shareWords(one.others_went_on, one.others_n)}</td>
    </tr>
  );
}
