// The chart with its intervals and layers; a click at a price offers a price alert there.

import { useEffect, useRef, useState } from "preact/hooks";
import { send } from "../../api/client";
import type { CoinDetail } from "../../api/types";
import { type CoinChart, drawCoinChart, LAYERS, type Layer } from "../../charts/coinChart";
import { cells } from "../../live/store";
import { prefs } from "../../prefs/prefs";
import { dark } from "../../prefs/theme";
import { route, setQuery } from "../../router";
import { Choice, Toggle } from "../../shell/controls";
import { withNote } from "../../shell/notes";
import { coinName, tickPrice } from "../../text/format";

const USUAL: Layer[] = ["ribbon", "supertrend", "vwap", "levels", "volume", "rsi"];
const INTERVALS = ["5m", "15m", "1h", "4h"];

export function Chart({ detail }: { detail: CoinDetail }) {
  const place = useRef<HTMLDivElement>(null);
  const held = useRef<CoinChart | null>(null);
  const [clicked, setClicked] = useState<number | null>(null);
  const { query } = route.value;
  const interval = INTERVALS.includes(query.get("interval") ?? "") ? query.get("interval")! : "15m";
  const layers = (query.get("layers")?.split(",") as Layer[] | undefined) ?? USUAL;
  const bars = detail.bars[interval];
  const { card } = detail;
  const look = `${dark.value} ${prefs.palette.value} ${prefs.zone.value}`;
  useEffect(() => {
    if (!place.current || !bars?.close.length) return;
    const { futures, plan, signals } = detail;
    const input = { bars, interval, futures, plan, signals, levels: card.levels, tick: card.tick_size, shown: new Set(layers) };
    const chart = drawCoinChart(place.current, input, setClicked);
    held.current = chart;
    const cell = cells.get(card.symbol);
    const stop = cell?.price.subscribe((price) => {
      if (price !== null) chart.price(price);
    });
    return () => {
      stop?.();
      held.current = null;
      chart.remove();
    };
  }, [detail, interval, layers.join(), look]);
  const flip = (layer: Layer) => {
    const next = layers.includes(layer) ? layers.filter((name) => name !== layer) : [...layers, layer];
    setQuery({ layers: next.join() === USUAL.join() ? "" : next.join() || "none" });
  };
  return (
    <>
      <div class="chart-tools">
        <Choice
          name="Interval"
          value={interval}
          options={Object.fromEntries(INTERVALS.map((name) => [name, name]))}
          change={(wanted) => setQuery({ interval: wanted === "15m" ? "" : wanted })}
        />
        {(Object.entries(LAYERS) as [Layer, string][]).map(([layer, words]) => (
          <Toggle key={layer} on={layers.includes(layer)} change={() => flip(layer)}>
            {words}
          </Toggle>
        ))}
      </div>
      {bars?.close.length ? (
        <div
          class="chart"
          ref={place}
          role="img"
          aria-label={`${card.symbol}, ${interval} candles; click at a price to set an alert there`}
        />
      ) : (
        <p class="dim empty-chart">No bars are held yet: they come with the next scan.</p>
      )}
      <PriceAlertForm symbol={card.symbol} tick={card.tick_size} clicked={clicked} price={card.price} />
      <p class="attribution">
        Charts:{" "}
        <a href="https://www.tradingview.com/" target="_blank" rel="noreferrer noopener">
          TradingView Lightweight Charts™
        </a>
        , © 2025 TradingView, Inc.
      </p>
    </>
  );
}

interface FormProps {
  symbol: string;
  tick: number;
  clicked: number | null;
  price: number | null;
}

function PriceAlertForm({ symbol, tick, clicked, price }: FormProps) {
  const [value, setValue] = useState("");
  useEffect(() => {
    if (clicked !== null) setValue(roundTo(clicked, tick));
  }, [clicked]);
  const add = async (event: Event) => {
    event.preventDefault();
    const target = Number(value);
    const newest = cells.get(symbol)?.price.value ?? price ?? 0;
    const condition = target >= newest ? "above" : "below";
    const made = await withNote(
      send("POST", "api/price-alerts", { symbol, condition, value: target }),
      `Alert set: ${coinName(symbol)} ${condition} ${tickPrice(target, tick)}`,
    );
    if (made) setValue("");
  };
  return (
    <form class="price-alert" onSubmit={(event) => void add(event)}>
      <label>
        <span>Price alert at</span>
        <input
          inputMode="decimal"
          required
          pattern="[0-9]*[.]?[0-9]+"
          placeholder="click in the chart"
          value={value}
          onInput={(event) => setValue(event.currentTarget.value)}
        />
      </label>
      <button type="submit" class="primary" disabled={!(Number(value) > 0)}>
        Set alert
      </button>
    </form>
  );
}

function roundTo(price: number, tick: number): string {
  if (!(tick > 0)) return String(price);
  const digits = Math.max(0, Math.ceil(-Math.log10(tick) - 1e-9));
  return (Math.round(price / tick) * tick).toFixed(digits);
}
