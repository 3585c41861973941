// The coin's chart: candles with ribbon, Supertrend, VWAP and levels, and panes below; lightweight-charts is loaded here only.

import {
  CandlestickSeries,
  type CreatePriceLineOptions,
  createChart,
  createSeriesMarkers,
  HistogramSeries,
  type IChartApi,
  type ISeriesApi,
  LineSeries,
  LineStyle,
  type SeriesMarker,
  type Time,
  type UTCTimestamp,
} from "lightweight-charts";
import type { BarColumns, Levels, PointColumns, Signal, TradeLevels } from "../api/types";
import { offsetMinutes } from "../text/time";
import { ema, macd, rsi, supertrend, vwap } from "./indicators";

export interface ChartInput {
  bars: BarColumns;
  interval: string;
  futures: Record<string, PointColumns>;
  levels: Levels | null;
  plan: TradeLevels | null;
  signals: Signal[];
  tick: number;
  shown: ReadonlySet<Layer>;
}

export const LAYERS = {
  ribbon: "EMA ribbon",
  supertrend: "Supertrend",
  vwap: "VWAP",
  levels: "levels",
  volume: "volume",
  rsi: "RSI",
  macd: "MACD",
  oi: "open interest",
  funding: "funding",
  ratio: "long/short",
} as const;
export type Layer = keyof typeof LAYERS;

const MINUTES: Record<string, number> = { "5m": 5, "15m": 15, "1h": 60, "4h": 240 };
const PANE_HEIGHT = 96;
const MAIN_HEIGHT = 380;

type Colours = (name: string) => string;
type Pane = (name: string) => number;

export interface CoinChart {
  remove(): void;
  price(value: number): void;
}

// Draw *input* into *element*; *clicked* gets the price at each click.
export function drawCoinChart(element: HTMLElement, input: ChartInput, clicked: (price: number) => void): CoinChart {
  const style = getComputedStyle(element);
  const colours: Colours = (name) => style.getPropertyValue(name).trim();
  const chart = newChart(element, colours);
  const time = (ms: number) => (ms / 1000 + offsetMinutes(ms) * 60) as UTCTimestamp;
  const times = input.bars.open_time.map(time);
  const digits = Math.max(0, Math.ceil(-Math.log10(input.tick || 0.01) - 1e-9));
  const candles = chart.addSeries(CandlestickSeries, {
    upColor: colours("--up"),
    downColor: colours("--down"),
    wickUpColor: colours("--up"),
    wickDownColor: colours("--down"),
    borderVisible: false,
    priceFormat: { type: "price", precision: digits, minMove: input.tick || 0.01 },
  });
  candles.setData(
    times.map((at, index) => ({
      time: at,
      open: input.bars.open[index]!,
      high: input.bars.high[index]!,
      low: input.bars.low[index]!,
      close: input.bars.close[index]!,
    })),
  );
  const panes: string[] = [];
  const pane: Pane = (name) => (panes.includes(name) ? panes.indexOf(name) + 1 : panes.push(name));
  overlays(chart, input, times, colours);
  lowerPanes(chart, input, times, time, colours, pane);
  if (input.shown.has("levels")) for (const line of levelLines(input, colours)) candles.createPriceLine(line);
  createSeriesMarkers(candles, markers(input, time, colours));
  element.style.height = `${MAIN_HEIGHT + panes.length * PANE_HEIGHT}px`;
  chart.panes().forEach((held, index) => {
    held.setStretchFactor(index ? PANE_HEIGHT : MAIN_HEIGHT);
  });
  chart.timeScale().setVisibleLogicalRange({ from: times.length - 140, to: times.length + 6 });
  chart.subscribeClick(({ point, paneIndex }) => {
    const price = point && (paneIndex ?? 0) === 0 ? candles.coordinateToPrice(point.y) : null;
    if (price !== null) clicked(price);
  });
  return { remove: () => chart.remove(), price: (value) => movePrice(candles, input.bars, times, value) };
}

function newChart(element: HTMLElement, colours: Colours): IChartApi {
  return createChart(element, {
    autoSize: true,
    layout: {
      background: { color: "transparent" },
      textColor: colours("--dim"),
      fontFamily: getComputedStyle(document.body).fontFamily,
      fontSize: 11,
      attributionLogo: false, // the page shows the attribution as a link: the logo's style would need an inline style sheet
      panes: { separatorColor: colours("--line"), separatorHoverColor: colours("--hover"), enableResize: true },
    },
    grid: { vertLines: { color: colours("--rule") }, horzLines: { color: colours("--rule") } },
    rightPriceScale: { borderColor: colours("--line") },
    timeScale: { borderColor: colours("--line"), timeVisible: true, secondsVisible: false },
    crosshair: { mode: 0 },
  });
}

// The last candle follows the newest price.
function movePrice(candles: ISeriesApi<"Candlestick">, bars: BarColumns, times: UTCTimestamp[], value: number): void {
  const last = times.length - 1;
  if (last < 0) return;
  candles.update({
    time: times[last]!,
    open: bars.open[last]!,
    high: Math.max(bars.high[last]!, value),
    low: Math.min(bars.low[last]!, value),
    close: value,
  });
}

function points(times: UTCTimestamp[], values: number[]): { time: UTCTimestamp; value: number }[] {
  return times.flatMap((time, at) => (Number.isFinite(values[at]) ? [{ time, value: values[at]! }] : []));
}

const QUIET = { priceLineVisible: false, lastValueVisible: false, crosshairMarkerVisible: false } as const;

function overlays(chart: IChartApi, { bars, shown }: ChartInput, times: UTCTimestamp[], colours: Colours): void {
  const line = (values: number[], color: string, lineWidth: 1 | 2 = 1) =>
    chart.addSeries(LineSeries, { color, lineWidth, ...QUIET }).setData(points(times, values));
  if (shown.has("ribbon")) {
    for (const [at, period] of [20, 50, 100, 200].entries()) line(ema(bars.close, period), colours(`--ribbon-${at + 1}`));
  }
  if (shown.has("vwap")) line(vwap(bars.open_time, bars.high, bars.low, bars.close, bars.volume), colours("--vwap"), 2);
  if (shown.has("supertrend")) {
    const trend = supertrend(bars.high, bars.low, bars.close);
    const series = chart.addSeries(LineSeries, { lineWidth: 2, ...QUIET });
    series.setData(
      points(times, trend.value).map((point) => ({
        ...point,
        color: colours(trend.up[times.indexOf(point.time)] ? "--up-soft" : "--down-soft"),
      })),
    );
  }
}

function lowerPanes(
  chart: IChartApi,
  { bars, futures, shown }: ChartInput,
  times: UTCTimestamp[],
  time: (ms: number) => UTCTimestamp,
  colours: Colours,
  pane: Pane,
): void {
  const line = (at: number, data: { time: UTCTimestamp; value: number }[], color: string, title: string) => {
    const series = chart.addSeries(LineSeries, { color, lineWidth: 1, title, priceLineVisible: false }, at);
    series.setData(data);
    return series;
  };
  if (shown.has("volume")) volumePane(chart, bars, times, colours, pane("volume"));
  if (shown.has("rsi")) {
    const series = line(pane("rsi"), points(times, rsi(bars.close)), colours("--accent"), "RSI");
    for (const price of [30, 70])
      series.createPriceLine({ price, color: colours("--line"), lineStyle: LineStyle.Dashed, axisLabelVisible: false });
  }
  if (shown.has("macd")) {
    const { line: fast, signal, histogram } = macd(bars.close);
    const at = pane("macd");
    chart
      .addSeries(HistogramSeries, { ...QUIET }, at)
      .setData(points(times, histogram).map((point) => ({ ...point, color: colours(point.value >= 0 ? "--up-soft" : "--down-soft") })));
    line(at, points(times, fast), colours("--accent"), "MACD");
    line(at, points(times, signal), colours("--warn"), "signal");
  }
  const series = (name: Layer, found: PointColumns | undefined, color: string, title: string, factor = 1) => {
    if (!shown.has(name) || !found?.times.length) return;
    const onGrid = onBars(found, bars.open_time, time, factor);
    if (onGrid.length) line(pane(name), onGrid, color, title);
  };
  series("oi", futures.open_interest, colours("--ribbon-2"), "OI");
  series("funding", futures.funding_settled, colours("--warn"), "funding %", 100);
  series("ratio", futures.global_ratio, colours("--ribbon-3"), "all L/S");
  series("ratio", futures.top_ratio, colours("--ribbon-4"), "top L/S");
}

// The newest point of each bar, so that all panes share the bars' times.
export function onBars(
  found: PointColumns,
  openTimes: number[],
  time: (ms: number) => UTCTimestamp,
  factor = 1,
): { time: UTCTimestamp; value: number }[] {
  const out: { time: UTCTimestamp; value: number }[] = [];
  let at = 0;
  openTimes.forEach((open, index) => {
    const end = openTimes[index + 1] ?? Number.POSITIVE_INFINITY;
    let newest: number | null = null;
    while (at < found.times.length && found.times[at]! < end) {
      if (found.times[at]! >= open) newest = found.values[at]!;
      at += 1;
    }
    if (newest !== null) out.push({ time: time(open), value: newest * factor });
  });
  return out;
}

// Volume, the share that takers bought in a stronger colour.
function volumePane(chart: IChartApi, bars: BarColumns, times: UTCTimestamp[], colours: Colours, at: number): void {
  const format = { priceFormat: { type: "volume" } as const, priceLineVisible: false };
  chart.addSeries(HistogramSeries, { ...format, color: colours("--down-soft"), title: "volume" }, at).setData(points(times, bars.volume));
  chart
    .addSeries(HistogramSeries, { ...format, color: colours("--up-soft"), title: "taker buys", lastValueVisible: false }, at)
    .setData(points(times, bars.taker_buy_volume));
}

function levelLines({ levels, plan }: ChartInput, colours: Colours): CreatePriceLineOptions[] {
  const line = (price: number, color: string, title: string, lineStyle = LineStyle.Dashed): CreatePriceLineOptions => ({
    price,
    color: colours(color),
    title,
    lineStyle,
    lineWidth: 1,
  });
  const lines: CreatePriceLineOptions[] = [];
  for (const { price, touches } of plan?.supports.slice(0, 3) ?? [])
    lines.push(line(price, "--up-soft", `S ×${touches}`, LineStyle.SparseDotted));
  for (const { price, touches } of plan?.resistances.slice(0, 3) ?? [])
    lines.push(line(price, "--down-soft", `R ×${touches}`, LineStyle.SparseDotted));
  if (levels) {
    lines.push(line(levels.entry, "--ink", "entry"), line(levels.stop, "--down", "stop"), line(levels.target, "--up", "target"));
  }
  return lines;
}

// Signals and their ends, on the bar that they fell into.
function markers({ bars, signals, interval }: ChartInput, time: (ms: number) => UTCTimestamp, colours: Colours): SeriesMarker<Time>[] {
  const first = bars.open_time[0] ?? 0;
  const length = (MINUTES[interval] ?? 15) * 60_000;
  const barOf = (ms: number) => time(Math.floor((ms - 1) / length) * length);
  const found: SeriesMarker<Time>[] = [];
  for (const signal of signals) {
    const long = signal.side === "long";
    if (signal.scan_id > first) {
      found.push({
        time: barOf(signal.scan_id),
        position: long ? "belowBar" : "aboveBar",
        shape: long ? "arrowUp" : "arrowDown",
        color: colours(long ? "--up" : "--down"),
        text: `${signal.side} ${signal.score.toFixed(0)}`,
      });
    }
    if (signal.closed_at && signal.closed_at > first) {
      const won = (signal.result_r ?? 0) > 0;
      found.push({
        time: barOf(signal.closed_at),
        position: long ? "aboveBar" : "belowBar",
        shape: "circle",
        color: colours(won ? "--up" : "--down"),
        text: `${signal.status} ${signal.result_r === null ? "" : `${signal.result_r.toFixed(2)} R`}`,
      });
    }
  }
  return found.sort((a, b) => Number(a.time) - Number(b.time));
}
