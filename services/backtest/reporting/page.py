"""The report as one self-contained page: inline SVG pictures, nothing loaded from anywhere."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from html import escape
from typing import Final

import numpy as np

from services.backtest.reporting import pictures
from services.backtest.reporting.report import ONLY_WITH_ALL, Report, estimate, group_cells, signed
from services.backtest.run import iso
from services.evaluator.domain.calibration import Bin, brier, reliability
from services.evaluator.domain.record import Group
from shared.contracts import Outcome

MOST_ROWS: Final = 500  #: signals in the table; the JSON has all
STYLE: Final = """
:root { color-scheme: light dark; --ink: #1d2530; --paper: #ffffff; --dim: #66727f; --rule: #d9dee4; --mark: #2166ac; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6eaee; --paper: #12161b; --dim: #93a0ad; --rule: #2c343d; --mark: #6cb0ee; }
}
body { margin: 2rem auto; max-width: 60rem; padding: 0 1rem; color: var(--ink); background: var(--paper);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
.verdict { font-size: 1.3rem; font-weight: 600; } .dim { color: var(--dim); }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; width: 100%; }
th, td { text-align: right; padding: .25rem .6rem; border-bottom: 1px solid var(--rule); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
figure { margin: 1rem 0; } figcaption { font-weight: 600; } svg { width: 100%; height: auto; }
svg text { fill: var(--dim); font: 12px system-ui, sans-serif; }
.line { fill: none; stroke: var(--mark); stroke-width: 1.8; } .dot { fill: var(--mark); }
.bar { stroke: var(--mark); stroke-width: 2; } .grid { stroke: var(--rule); }
.zero { stroke: var(--dim); stroke-dasharray: 4 3; }
"""


def as_html(report: Report) -> str:
    """Return the page."""
    parts = "\n".join(_sections(report))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Sevengate backtest</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{STYLE}</style></head><body>\n{parts}\n</body></html>\n"
    )


def _sections(report: Report) -> Iterator[str]:
    backtest, found = report.backtest, report.record
    controls = list(found.controls.values())
    yield f"<h1>Backtest, {iso(backtest.first)} to {iso(backtest.last)} UTC</h1>"
    yield f'<p class="verdict">Verdict: {escape(found.verdict)}</p>'
    what = f"{len(backtest.coins)} coins, {backtest.scans:,} scans of coins; settings: {_settings(report)}"
    yield f'<p class="dim">{what}</p>'
    yield _groups([found.all, *(_named(f"control: {one.name}", one) for one in controls)])
    yield f"<p>Signals less controls, net R: {estimate(found.against_controls)}</p>"
    yield pictures.intervals([found.all, *controls])
    yield pictures.equity(found.equity)
    if report.parts:
        yield "<h2>Parts</h2>" + _groups([_named(name, part.all) for name, part in report.parts.items()])
    yield "<h2>Gates</h2><p>Net R of the signals less that of what the gate alone refused.</p>" + _gates(report)
    yield from _forecast(backtest.outcomes)
    for name, groups in found.cuts.items():
        yield f"<h2>By {escape(name)}</h2>" + _groups(groups) + pictures.intervals(groups)
    yield f'<p class="dim">{found.cuts_looked_at} cuts were looked at; q is the share of false ones among as good.</p>'
    said = [*report.judgement.lines, *report.notes]
    yield "<h2>To be known</h2><ul>" + "".join(f"<li>{escape(line)}</li>" for line in said) + "</ul>"
    yield _signals(backtest.outcomes)


def _settings(report: Report) -> str:
    return escape(", ".join(f"{path}={value}" for path, value in report.settings.items())) or "as shipped"


def _named(name: str, group: Group) -> Group:
    return replace(group, name=name)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in heads)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _groups(groups: Sequence[Group]) -> str:
    heads = ("", "n", "days", "hit rate", "needed", "gross R", "net R [95 % by whole days]", "q")
    return _table(heads, [(one.name, *group_cells(one), "" if math.isnan(one.q) else f"{one.q:.2f}") for one in groups])


def _gates(report: Report) -> str:
    rows = [
        (name, str(lift.n), estimate(lift.lift) if report.all_scores or name != "volume" else ONLY_WITH_ALL)
        for name, lift in report.record.gates.items()
    ]
    return _table(("gate", "refused by it alone", "lift"), rows)


def _forecast(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """Yield how reliable the forecast of the distances was."""
    ended = [one for one in outcomes if one.kind == "signal" and one.result]
    if not ended:
        return
    forecast = np.array([one.forecast for one in ended])
    happened = np.array([float(one.result == "target") for one in ended])
    bins: tuple[Bin, ...] = reliability(forecast, happened)
    scores = f"Brier score {brier(forecast, happened):.3f}; of the base rate {np.var(happened):.3f}."
    yield f"<h2>Forecast</h2><p>{scores}</p>"
    yield pictures.reliability(bins)


def _signals(outcomes: Sequence[Outcome]) -> str:
    signals = sorted((one for one in outcomes if one.kind == "signal"), key=lambda one: (one.scan_id, one.symbol))
    heads = ("when", "coin", "side", "entry", "stop", "target", "came first", "net R", "cost R", "minutes", "lifecycle")
    rows = [
        (
            *(iso(one.scan_id), one.symbol, one.side),
            *(f"{one.entry:g}", f"{one.stop:g}", f"{one.target:g}"),
            (one.result or "not ended") + (" (both in one bar)" if one.ambiguous else ""),
            *(signed(one.r_net), f"{one.cost_r:.2f}", str(one.minutes), one.lifecycle),
        )
        for one in signals[-MOST_ROWS:]
    ]
    shown = f", the last {MOST_ROWS}" if len(signals) > MOST_ROWS else ""
    return f"<h2>Signals ({len(signals)}{shown})</h2>" + _table(heads, rows)
