// A card's chart: closes with support, resistance, stop and target; drawn only while it is seen.

import { useEffect, useRef } from "preact/hooks";
import type { MiniChart as Chart, Levels } from "../api/types";
import { prefs } from "../prefs/prefs";
import { dark } from "../prefs/theme";
import { drawMini } from "./drawMini";
import { redraw, whileSeen } from "./visible";

interface Props {
  chart: Chart;
  levels: Levels | null;
  symbol: string;
}

export function MiniChart(props: Props) {
  if (!props.chart.closes.length) return <div class="mini none">no chart</div>;
  return <Canvas {...props} />;
}

function Canvas({ chart, levels, symbol }: Props) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const latest = useRef({ chart, levels });
  latest.current = { chart, levels };
  const look = `${dark.value} ${prefs.palette.value}`;
  useEffect(() => {
    const element = canvas.current!;
    return whileSeen(element, () => drawMini(element, latest.current.chart, latest.current.levels));
  }, []);
  useEffect(() => redraw(canvas.current!), [chart, levels, look]);
  const words = `${symbol}: last ${chart.closes.length} closes of ${chart.interval}`;
  return <canvas ref={canvas} class="mini" role="img" aria-label={words} />;
}
