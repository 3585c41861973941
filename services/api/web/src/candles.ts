// A candle chart with its levels, drawn on a canvas.

import type { Chart } from "./types";
import { price } from "./words";

export interface Line {
  at: number;
  name: string;
  colour: string; // a custom property of the style sheet
}

export function draw(canvas: HTMLCanvasElement, chart: Chart, lines: Line[]): void {
  const scale = window.devicePixelRatio || 1;
  const width = canvas.clientWidth;
  const height = canvas.clientHeight;
  canvas.width = width * scale;
  canvas.height = height * scale;
  const context = canvas.getContext("2d");
  if (!context || !chart.close.length) return;
  const colours = getComputedStyle(canvas);
  const colour = (name: string): string => colours.getPropertyValue(name);
  context.scale(scale, scale);
  context.font = "11px system-ui, sans-serif";
  const right = 88;
  const levels = lines.map((line) => line.at);
  const top = Math.max(...chart.high, ...levels);
  const bottom = Math.min(...chart.low, ...levels);
  const span = top - bottom || 1;
  const y = (value: number): number => 8 + ((top - value) / span) * (height - 16);
  const step = (width - right) / chart.close.length;
  chart.close.forEach((close, index) => {
    const open = chart.open[index]!;
    const x = (index + 0.5) * step;
    context.strokeStyle = context.fillStyle = colour(close >= open ? "--long" : "--short");
    context.beginPath();
    context.moveTo(x, y(chart.high[index]!));
    context.lineTo(x, y(chart.low[index]!));
    context.stroke();
    const body = Math.max(1, Math.abs(y(open) - y(close)));
    context.fillRect(x - step * 0.35, Math.min(y(open), y(close)), Math.max(1, step * 0.7), body);
  });
  context.setLineDash([5, 4]);
  for (const line of lines) {
    context.strokeStyle = context.fillStyle = colour(line.colour);
    context.beginPath();
    context.moveTo(0, y(line.at));
    context.lineTo(width - right, y(line.at));
    context.stroke();
    context.fillText(`${line.name} ${price(line.at)}`, width - right + 4, y(line.at) + 4);
  }
}
