// Results of signals, beside the break-even share, random entries, and the setups that each gate refused; every number with its n.

import { useState } from "preact/hooks";
import { useFetched } from "../../api/useFetched";
import { Choice } from "../../shell/controls";
import { HeadRow } from "../../shell/HeadRow";
import { Empty, Failed, Loading } from "../../shell/states";
import { counted, inR } from "../../text/format";
import { Aftermath } from "./Aftermath";
import { Equity } from "./Equity";
import { Reliability } from "./Reliability";
import { type Group, meaning, rangeWords, shareWords, type Whole } from "./record";

const SPANS = { 30: "30 days", 90: "90 days", 365: "a year" };

export default function RecordPage() {
  const [days, choose] = useState("90");
  const { data, error, again } = useFetched<Whole>(`api/record?days=${days}`);
  return (
    <section class="record-page">
      <div class="page-head">
        <h1>Record</h1>
        <Choice name="Span" value={days} options={SPANS as Record<string, string>} change={choose} />
      </div>
      {error && <Failed error={error} again={again} />}
      {!data && !error && <Loading shape="panels" />}
      {data && (data.all.n ? <Found record={data} /> : <None verdict={data.verdict} />)}
    </section>
  );
}

function None({ verdict }: { verdict: string }) {
  return (
    <Empty title="No signal has ended yet">
      <p>{verdict}</p>
    </Empty>
  );
}

function Found({ record }: { record: Whole }) {
  const { all, controls, gates, cuts, equity } = record;
  return (
    <>
      <p class="verdict panel">
        <b>{record.verdict}</b>
        <span>{meaning(record.verdict)}</span>
        <span class="dim">
          {counted(all.n, "signal")} on {counted(all.days, "day")}. Net {rangeWords(all.net)} a signal; against the controls{" "}
          {rangeWords(record.against_controls)}.
        </span>
      </p>
      <div class="columns">
        <section class="panel">
          <h2>Signals and controls</h2>
          <Groups rows={[{ ...all, name: "signals" }, ...Object.values(controls)]} />
        </section>
        <section class="panel">
          <h2>Sum of net R</h2>
          <Equity points={equity} />
        </section>
        <section class="panel">
          <h2>Forecast and outcome</h2>
          <Reliability calibration={record.calibration} />
        </section>
        <section class="panel">
          <h2>What each gate kept out</h2>
          <div class="scroll">
            <table>
              <HeadRow names={["Gate", "Refused alone", "They came to", "Lift"]} numbers={["Refused alone"]} />
              <tbody>
                {Object.entries(gates).map(([gate, { n, refused, lift }]) => (
                  <tr key={gate}>
                    <th scope="row">{gate}</th>
                    <td class="number">{n}</td>
                    <td>{rangeWords(refused)}</td>
                    <td>{rangeWords(lift)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        </section>
        <Aftermath found={record.anomalies} />
        {Object.entries(cuts).map(([name, groups]) => (
          <section key={name} class="panel">
            <h2>
              By {name} <small>one of {record.cuts_looked_at} parts looked at</small>
            </h2>
            <Groups rows={groups} />
          </section>
        ))}
      </div>
    </>
  );
}

function Groups({ rows }: { rows: Group[] }) {
  return (
    <div class="scroll">
      <table>
        <HeadRow names={["", "Target first", "Needed", "Gross", "Net, 95 %"]} numbers={["Target first", "Needed", "Gross"]} />
        <tbody>
          {rows.map((group) => (
            <tr key={group.name}>
              <th scope="row">{group.name}</th>
              <td class="number">{shareWords(group.hit_rate, group.n)}</td>
              <td class="number">{group.break_even === null ? "–" : `${(group.break_even * 100).toFixed(0)} %`}</td>
              <td class="number">{inR(group.gross.mean)}</td>
              <td>{rangeWords(group.net)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
