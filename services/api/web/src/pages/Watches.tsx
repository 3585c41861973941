// Price alerts, mutes and quiet hours.

import { useState } from "preact/hooks";
import { send } from "../api/client";
import type { Mute, PriceAlert } from "../api/types";
import { useFetched } from "../api/useFetched";
import { alerts, symbols } from "../live/store";
import { addressOf } from "../router";
import { QuietHours } from "../settings/QuietHours";
import { withNote } from "../shell/notes";
import { Failed, Loading } from "../shell/states";
import { coinName, price } from "../text/format";
import { dayClock } from "../text/time";

export function Watches() {
  const fired = alerts.value.find((alert) => alert.kind === "price")?.alert_id;
  const prices = useFetched<{ items: PriceAlert[] }>("api/price-alerts", fired);
  const mutes = useFetched<{ items: Mute[] }>("api/mutes");
  return (
    <section>
      <div class="page-head">
        <h1>Price alerts and mutes</h1>
      </div>
      <div class="columns">
        <section class="panel">
          <h2>Price alerts</h2>
          <NewPriceAlert done={prices.again} />
          {prices.error && <Failed error={prices.error} again={prices.again} />}
          {prices.data ? <PriceAlerts items={prices.data.items} done={prices.again} /> : !prices.error && <Loading shape="rows" />}
        </section>
        <section class="panel">
          <h2>Mutes</h2>
          <NewMute done={mutes.again} />
          {mutes.error && <Failed error={mutes.error} again={mutes.again} />}
          {mutes.data ? <Mutes items={mutes.data.items} done={mutes.again} /> : !mutes.error && <Loading shape="rows" />}
          <h2>Quiet hours</h2>
          <QuietHours />
        </section>
      </div>
      <datalist id="coins">
        {symbols.value.map((symbol) => (
          <option key={symbol} value={coinName(symbol)} />
        ))}
      </datalist>
    </section>
  );
}

const fullName = (text: string): string => {
  const name = text.trim().toUpperCase();
  return symbols.value.includes(`${name}USDT`) ? `${name}USDT` : name;
};

function NewPriceAlert({ done }: { done: () => void }) {
  const [symbol, setSymbol] = useState("");
  const [condition, setCondition] = useState("above");
  const [value, setValue] = useState("");
  const [note, setNote] = useState("");
  const moves = condition === "moves";
  const add = async (event: Event) => {
    event.preventDefault();
    const wanted = {
      symbol: fullName(symbol),
      condition,
      value: Number(value) / (moves ? 100 : 1),
      note,
      window_seconds: moves ? 3600 : 0,
    };
    const made = await withNote(
      send("POST", "api/price-alerts", wanted),
      `Alert set: ${coinName(wanted.symbol)} ${condition} ${value}${moves ? " % in an hour" : ""}`,
    );
    if (made) {
      setValue("");
      setNote("");
      done();
    }
  };
  return (
    <form class="inline-form" onSubmit={(event) => void add(event)}>
      <input
        required
        list="coins"
        placeholder="Coin"
        aria-label="Coin"
        value={symbol}
        onInput={(event) => setSymbol(event.currentTarget.value)}
      />
      <select aria-label="Condition" value={condition} onChange={(event) => setCondition(event.currentTarget.value)}>
        <option value="above">above</option>
        <option value="below">below</option>
        <option value="crosses">crosses</option>
        <option value="moves">moves, % in an hour</option>
      </select>
      <input
        required
        inputMode="decimal"
        pattern="[0-9]*[.]?[0-9]+"
        placeholder={moves ? "percent" : "price"}
        aria-label={moves ? "Percent" : "Price"}
        value={value}
        onInput={(event) => setValue(event.currentTarget.value)}
      />
      <input
        placeholder="note (optional)"
        aria-label="Note"
        maxLength={200}
        value={note}
        onInput={(event) => setNote(event.currentTarget.value)}
      />
      <button type="submit" class="primary">
        Set alert
      </button>
    </form>
  );
}

// when it last fired: an alert is heard of live a moment before it is stored
function firedAt(alert: PriceAlert): number | null {
  const heard = alerts.value.find((one) => {
    const body = one.body as { price_alert?: { price_alert_id: string } };
    return one.kind === "price" && body.price_alert?.price_alert_id === alert.price_alert_id;
  });
  return Math.max(heard?.occurred_at ?? 0, alert.fired_at ?? 0) || null;
}

function PriceAlerts({ items, done }: { items: PriceAlert[]; done: () => void }) {
  if (!items.length) return <p class="dim">None set. Set one here, or click at a price in a coin's chart.</p>;
  return (
    <ul class="plain rows">
      {items.map((alert) => (
        <li key={alert.price_alert_id} class={alert.stands === false ? "over" : ""}>
          <a href={addressOf("coin", alert.symbol)}>{coinName(alert.symbol)}</a> {alert.condition}{" "}
          <b>
            {alert.condition === "moves" ? `${(alert.value * 100).toFixed(1)} % in ${alert.window_seconds / 60} min` : price(alert.value)}
          </b>
          {alert.repeat && <span class="tag">repeats</span>}
          <FiredTag at={firedAt(alert)} />
          <span class="dim">{alert.note}</span>
          <button
            type="button"
            class="link"
            aria-label={`Remove the alert of ${coinName(alert.symbol)}`}
            onClick={() => void withNote(send("DELETE", `api/price-alerts/${alert.price_alert_id}`), "Removed").then(done)}
          >
            remove
          </button>
        </li>
      ))}
    </ul>
  );
}

function FiredTag({ at }: { at: number | null }) {
  return at === null ? null : <span class="tag good">fired {dayClock(at)}</span>;
}

const SPANS: [words: string, seconds: number][] = [
  ["1 hour", 3_600],
  ["2 hours", 7_200],
  ["8 hours", 28_800],
  ["1 day", 86_400],
  ["1 week", 604_800],
];

function NewMute({ done }: { done: () => void }) {
  const [symbol, setSymbol] = useState("");
  const [kind, setKind] = useState("");
  const [seconds, setSeconds] = useState(7_200);
  const add = async (event: Event) => {
    event.preventDefault();
    const wanted = { symbol: symbol && fullName(symbol), kind: kind || null, seconds };
    if (await withNote(send("POST", "api/mutes", wanted), `Muted: ${symbol || "all coins"}${kind && `, ${kind}`}`)) done();
  };
  return (
    <form class="inline-form" onSubmit={(event) => void add(event)}>
      <input
        list="coins"
        placeholder="all coins"
        aria-label="Coin"
        value={symbol}
        onInput={(event) => setSymbol(event.currentTarget.value)}
      />
      <select aria-label="Kind" value={kind} onChange={(event) => setKind(event.currentTarget.value)}>
        <option value="">all kinds</option>
        {["signal", "lifecycle", "group", "price", "anomaly", "system"].map((name) => (
          <option key={name}>{name}</option>
        ))}
      </select>
      <select aria-label="How long" value={seconds} onChange={(event) => setSeconds(Number(event.currentTarget.value))}>
        {SPANS.map(([words, value]) => (
          <option key={value} value={value}>
            {words}
          </option>
        ))}
      </select>
      <button type="submit" class="primary">
        Mute
      </button>
    </form>
  );
}

function Mutes({ items, done }: { items: Mute[]; done: () => void }) {
  if (!items.length) return <p class="dim">Nothing is muted. What is muted is still scanned and recorded.</p>;
  return (
    <ul class="plain rows">
      {items.map((mute) => (
        <li key={mute.mute_id}>
          <b>{mute.symbol ? coinName(mute.symbol) : "all coins"}</b> {[mute.side, mute.kind, mute.destination].filter(Boolean).join(", ")}
          <span class="dim">until {dayClock(mute.until)}</span>
          <button
            type="button"
            class="link"
            onClick={() => void withNote(send("DELETE", `api/mutes/${mute.mute_id}`), "No longer muted").then(done)}
          >
            unmute
          </button>
        </li>
      ))}
    </ul>
  );
}
