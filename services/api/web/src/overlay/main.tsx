// The overlay's start: the events of the API drive a few cards over a transparent page.

import { setKey } from "../api/client";
import type { Alert, Coin, Heartbeat, Prices, Signal } from "../api/types";
import { follow } from "../live/connection";
import { perFrame } from "../live/frames";
import type { BoardSnapshot, Lists } from "../live/store";
import { play } from "../sound/tones";
import { Card } from "./card";
import { optionsOf } from "./options";
import { madeTimes, Stage } from "./shown";
import { Worths } from "./worths";

const options = optionsOf(location.hash);
const key = new URLSearchParams(location.hash.slice(1)).get("key");
if (key) setKey(key);
document.documentElement.dataset.theme = options.theme;

const list = document.getElementById("overlay")!;
const stage = new Stage(options);
const cards: Card[] = [];
const worths = new Worths(() => draw());
let prices: Record<string, number> = {};
let labels: Record<string, string> = {};
let made = new Map<string, number>();
let skew = 0; // the server's clock less this one's

const serverNow = () => Date.now() + skew;

function take(name: string, data: unknown): void {
  if (name === "heartbeat") skew = (data as Heartbeat).now - Date.now();
  else if (name === "board") takeBoard(data as BoardSnapshot);
  else if (name === "lists") takeLists(data as Lists);
  else if (name === "prices") ({ prices, labels } = data as Prices);
  else if (name === "alert") takeAlert(data as Alert);
  else if (name === "signal") takeSignal(data as Signal);
  draw();
}

function takeBoard({ coins }: BoardSnapshot): void {
  prices = Object.fromEntries(coins.flatMap(({ symbol, price }: Coin) => (price === null ? [] : [[symbol, price]])));
  labels = Object.fromEntries(coins.map(({ symbol, live_label }) => [symbol, live_label]));
}

function takeLists({ signals, alerts }: Lists): void {
  made = madeTimes(alerts ?? []);
  for (const signal of signals ?? []) if (made.has(signal.signal_id) || stage.has(signal.signal_id)) takeSignal(signal);
}

function takeAlert(alert: Alert): void {
  for (const [id, at] of madeTimes([alert])) made.set(id, at);
  if (made.size > 500) made = new Map([...made].slice(-200));
  const isNew = (alert.kind === "signal" || alert.kind === "group") && serverNow() - (alert.created_at ?? 0) < 30_000;
  if (options.sound && isNew) play("signal", 0.6);
}

function takeSignal(signal: Signal): void {
  stage.take(signal, serverNow(), made.get(signal.signal_id));
}

function draw(): void {
  const shown = stage.at(serverNow());
  while (cards.length < shown.length) {
    const card = new Card();
    cards.push(card);
    list.append(card.element);
  }
  while (cards.length > shown.length) cards.pop()!.element.remove();
  shown.forEach((one, at) => {
    cards[at]!.show(one, prices[one.signal.symbol] ?? null, labels[one.signal.symbol] ?? "", worths.of(one.signal));
  });
}

const queue = perFrame<[string, unknown]>(([name, data]) => take(name, data));
const state = (next: string) => {
  document.documentElement.dataset.state = next;
};
void follow("api/events", { event: (name, data) => queue([name, data]), state }, new AbortController().signal);
setInterval(draw, 1000); // cards go when their time is over
document.addEventListener("visibilitychange", draw);
