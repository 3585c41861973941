// Draws closes as a line over a soft area, with the levels around them.

import type { Levels, MiniChart } from "../api/types";

interface Mark {
  price: number;
  colour: string; // a custom property of the style sheet
  dash: number[];
}

export function marksOf(chart: MiniChart, levels: Levels | null): Mark[] {
  const marks: Mark[] = [];
  for (const { price } of chart.supports.slice(0, 2)) marks.push({ price, colour: "--up-soft", dash: [1, 3] });
  for (const { price } of chart.resistances.slice(0, 2)) marks.push({ price, colour: "--down-soft", dash: [1, 3] });
  if (levels) {
    marks.push({ price: levels.stop, colour: "--down", dash: [4, 3] });
    marks.push({ price: levels.target, colour: "--up", dash: [4, 3] });
  }
  return marks;
}

// The price range to show: all closes, and those levels that would not flatten them to a line.
export function rangeOf(closes: number[], marks: Mark[]): [number, number] {
  const low = Math.min(...closes);
  const high = Math.max(...closes);
  const room = (high - low || high * 0.001) * 0.75;
  const near = marks.map((mark) => mark.price).filter((price) => price > low - room && price < high + room);
  return [Math.min(low, ...near), Math.max(high, ...near)];
}

export function drawMini(canvas: HTMLCanvasElement, chart: MiniChart, levels: Levels | null): void {
  const scale = Math.min(2, devicePixelRatio || 1);
  const width = canvas.clientWidth;
  const height = canvas.clientHeight;
  if (!width || !height) return;
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const context = canvas.getContext("2d");
  if (!context) return;
  context.scale(scale, scale);
  const style = getComputedStyle(canvas);
  const colour = (name: string) => style.getPropertyValue(name);
  const closes = chart.closes;
  const marks = marksOf(chart, levels);
  const [bottom, top] = rangeOf(closes, marks);
  const y = (price: number) => 3 + ((top - price) / (top - bottom || 1)) * (height - 6);
  const x = (index: number) => (index / Math.max(1, closes.length - 1)) * width;
  for (const { price, colour: name, dash } of marks) {
    if (price < bottom || price > top) continue;
    context.strokeStyle = colour(name);
    context.setLineDash(dash);
    context.beginPath();
    context.moveTo(0, y(price));
    context.lineTo(width, y(price));
    context.stroke();
  }
  context.setLineDash([]);
  context.beginPath();
  closes.forEach((close, index) => {
    context.lineTo(x(index), y(close));
  });
  context.strokeStyle = colour("--line-chart");
  context.lineWidth = 1.5;
  context.lineJoin = "round";
  context.stroke();
  context.lineTo(width, height);
  context.lineTo(0, height);
  context.closePath();
  context.fillStyle = colour("--area-chart");
  context.fill();
}
