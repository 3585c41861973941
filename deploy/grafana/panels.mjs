// The panels that every board is made of: one look, one data source, units and descriptions everywhere.
import { BigValueColorMode, BigValueGraphMode, GraphDrawStyle, LegendDisplayMode, LegendPlacement, ReduceDataOptionsBuilder, VisibilityMode, VizLegendOptionsBuilder } from "@grafana/grafana-foundation-sdk/common";
import { DashboardBuilder, DashboardCursorSync, DashboardLinkBuilder, DashboardLinkType, ThresholdsConfigBuilder, ThresholdsMode } from "@grafana/grafana-foundation-sdk/dashboard";
import { DataqueryBuilder } from "@grafana/grafana-foundation-sdk/prometheus";
import * as stat from "@grafana/grafana-foundation-sdk/stat";
import * as timeseries from "@grafana/grafana-foundation-sdk/timeseries";

export const SOURCE = { type: "prometheus", uid: "sevengate-prometheus" };
export const TAG = "sevengate";

/** A board with the links to all others. */
export function board(uid, title, description) {
  return new DashboardBuilder(title)
    .uid(uid)
    .description(description)
    .tags([TAG])
    .readonly()
    .refresh("30s")
    .time({ from: "now-6h", to: "now" })
    .timezone("browser")
    .tooltip(DashboardCursorSync.Crosshair)
    .link(new DashboardLinkBuilder("Sevengate").type(DashboardLinkType.Dashboards).tags([TAG]).asDropdown(true).includeVars(true).keepTime(true));
}

/** One query; `legend` names its series. */
function query(expr, legend, refId) {
  return new DataqueryBuilder().datasource(SOURCE).expr(expr).legendFormat(legend).refId(refId);
}

function queries(of) {
  return of.map(([expr, legend], place) => query(expr, legend, String.fromCharCode(65 + place)));
}

/** Thresholds: green, then each [from, colour]. */
function thresholds(steps) {
  return new ThresholdsConfigBuilder()
    .mode(ThresholdsMode.Absolute)
    .steps([{ value: null, color: "green" }, ...steps.map(([value, color]) => ({ value, color }))]);
}

/** A number, coloured by its thresholds. */
export function number(title, description, expr, { unit = "short", steps = [], span = 3, decimals, none = "–" } = {}) {
  const panel = new stat.PanelBuilder()
    .title(title)
    .description(description)
    .datasource(SOURCE)
    .unit(unit)
    .noValue(none)
    .span(span)
    .height(4)
    .colorMode(BigValueColorMode.Value)
    .graphMode(BigValueGraphMode.Area)
    .reduceOptions(new ReduceDataOptionsBuilder().calcs(["lastNotNull"]).values(false))
    .thresholds(thresholds(steps))
    .targets(queries([[expr, title]]));
  return decimals === undefined ? panel : panel.decimals(decimals);
}

/** Lines over time: `of` is a list of [expression, legend]. */
export function lines(title, description, of, { unit = "short", span = 12, min = 0, stack = false } = {}) {
  const panel = new timeseries.PanelBuilder()
    .title(title)
    .description(description)
    .datasource(SOURCE)
    .unit(unit)
    .span(span)
    .height(8)
    .drawStyle(GraphDrawStyle.Line)
    .lineWidth(1)
    .fillOpacity(stack ? 40 : 8)
    .showPoints(VisibilityMode.Never)
    .legend(new VizLegendOptionsBuilder().displayMode(LegendDisplayMode.List).placement(LegendPlacement.Bottom).showLegend(true))
    .targets(queries(of));
  if (min !== null) panel.min(min);
  return panel;
}

/** The quantile *q* of a histogram, by *by*. */
export function quantile(q, metric, by = "") {
  const labels = by ? `le, ${by}` : "le";
  return `histogram_quantile(${q}, sum by (${labels}) (rate(${metric}_bucket[$__rate_interval])))`;
}

/** How many in the last minute, by *by*. */
export function perMinute(metric, by, match = "") {
  return `60 * sum by (${by}) (rate(${metric}${match}[$__rate_interval]))`;
}
