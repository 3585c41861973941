// The first steps: is the exchange reachable, where should alerts go, a test, done.  Any step can be skipped.

import { useState } from "preact/hooks";
import { send } from "../api/client";
import type { Status } from "../api/types";
import { useFetched } from "../api/useFetched";
import { deliveries } from "../live/store";
import { prefs } from "../prefs/prefs";
import { go } from "../router";
import { DestinationForm } from "../settings/DestinationForm";
import { useSchema } from "../settings/useSchema";
import { Choice } from "../shell/controls";
import { note, withNote } from "../shell/notes";
import { Failed } from "../shell/states";
import { age } from "../text/time";
import { TelegramSteps } from "./TelegramSteps";

export default function Setup() {
  const [step, go_on] = useState(0);
  const [name, setName] = useState("");
  const finish = () => {
    prefs.setupDone.value = true;
    go("board");
  };
  return (
    <section class="setup panel">
      <h1>Set up alerts</h1>
      <ol class="steps" aria-label="Steps">
        {["Exchange", "Destination", "Test"].map((words, at) => (
          <li key={words} aria-current={at === step ? "step" : undefined} class={at < step ? "done" : ""}>
            {words}
          </li>
        ))}
      </ol>
      {step === 0 && <Exchange />}
      {step === 1 && (
        <Destination
          done={(made) => {
            setName(made);
            go_on(2);
          }}
        />
      )}
      {step === 2 && <Test name={name} />}
      <div class="buttons">
        {step > 0 && (
          <button type="button" onClick={() => go_on(step - 1)}>
            Back
          </button>
        )}
        {step === 0 && (
          <button type="button" class="primary" onClick={() => go_on(1)}>
            Next
          </button>
        )}
        {step === 2 && (
          <button type="button" class="primary" onClick={finish}>
            Done
          </button>
        )}
        {step < 2 && (
          <button type="button" class="link" onClick={finish}>
            Skip
          </button>
        )}
      </div>
    </section>
  );
}

function Exchange() {
  const { data, error, again } = useFetched<Status>("api/status");
  if (error) return <Failed error={error} again={again} />;
  if (!data) return <p>Asking…</p>;
  if (!data.exchange_time) {
    return (
      <>
        <p class="mistake">No price has arrived yet. Where the exchange cannot be reached, the terminal says why.</p>
        <button type="button" onClick={again}>
          Look again
        </button>
      </>
    );
  }
  const old = data.ages.price;
  return <p class="good">✓ Prices arrive{old === null || old === undefined ? "" : `, the newest ${age(old * 1000)} old`}.</p>;
}

function Destination({ done }: { done: (name: string) => void }) {
  const [byHand, choose] = useState(false);
  const root = useSchema();
  return (
    <>
      <Choice
        name="Way"
        value={byHand ? "other" : "telegram"}
        options={{ telegram: "Telegram", other: "E-mail, Discord, webhook, others" }}
        change={(way) => choose(way === "other")}
      />
      {!byHand && <TelegramSteps done={done} />}
      {byHand && root && <DestinationForm root={root} done={done} />}
    </>
  );
}

function Test({ name }: { name: string }) {
  const [sent, setSent] = useState("");
  const report = deliveries.value.find((held) => held.alert_id === sent);
  const test = async () => {
    const made = await withNote(send<{ alert_id: string }>("POST", `api/destinations/${encodeURIComponent(name)}/test`), "");
    if (made) setSent(made.alert_id);
    else note("The test could not be sent", "bad");
  };
  return (
    <>
      <p>Send a test to {name}, and look whether it arrives.</p>
      <button type="button" onClick={() => void test()}>
        Send a test
      </button>
      {sent && !report && <p class="dim">On its way…</p>}
      {report && (
        <p class={report.status === "sent" ? "good" : "mistake"}>
          {report.status === "sent" ? "✓ It was accepted." : `${report.status}: ${report.detail || report.reason}`}
        </p>
      )}
    </>
  );
}
