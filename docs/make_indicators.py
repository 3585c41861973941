"""Writes docs/indicators.md from the catalogues: python docs/make_indicators.py [--check]"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from services.analyzer.domain import indicator, pattern
from services.analyzer.domain.chart.window import LOOK_BACK_DAYS
from services.analyzer.domain.indicator import Indicator
from services.analyzer.domain.pattern import Pattern
from services.analyzer.domain.scoring.context_votes import CONTEXT_VOTES
from shared.contracts import FULL_BARS

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "docs" / "indicators.md"
LOOK_BACK = "{}, {}, {} and {}".format(*LOOK_BACK_DAYS.values())
HEAD = f"""# Indicators and patterns

Generated from the catalogue by `docs/make_indicators.py`; a test fails when this page is not what it would write.
Every series is aligned with the bars, empty until warm; warm-up counts the bars before the first value.  The tolerance
says how far the newest value from 300 bars may lie from the one from 1000, relative to the price for price series.
An analysis reads {FULL_BARS} bars of each interval.  The EMA ribbon is computed over all of them, everything else over
the last {LOOK_BACK} days of 5m, 15m, 1h and 4h, for the same newest values ([ADR 31](adr/0031-how-much-history.md)).
Adding an indicator is its file in `services/analyzer/domain/indicators` and its golden CSV in `tests/golden`.
"""
FAMILIES = ("trend", "momentum", "volatility", "volume")


def source(name: str) -> str:
    """Return where the golden values of *name* come from."""
    line = (ROOT / "tests" / "golden" / f"{name}.csv").read_text(encoding="utf-8").splitlines()[0]
    return line.removeprefix("# source: ")


def described(entry: Indicator) -> list[str]:
    """Return an indicator's section."""
    warm = ", ".join(f"`{name}` {bars}" for name, bars in zip(entry.series, entry.warm_up, strict=True))
    after = " after the window's first midnight" if entry.anchored else ""
    memory = "only differences mean anything" if entry.drifts else f"{entry.tolerance:g}"
    vote = f"{entry.group}, weight {entry.weight:g} within it" if entry.vote else "none: it measures size"
    return [
        f"### {entry.name}",
        "",
        entry.definition,
        "",
        f"- parameters: {entry.parameters}; units: {entry.units}",
        f"- series and warm-up: {warm}{after}; tolerance: {memory}",
        f"- votes in: {vote}",
        *([f"- needs from the exchange: {', '.join(entry.needs)}"] if entry.needs else []),
        f"- source: {entry.source}",
        f"- against TradingView: {entry.tradingview}",
        f"- golden values: {source(entry.name)}",
        "",
    ]


def pattern_lines(entry: Pattern) -> str:
    return f"| {entry.name} | {entry.definition} | {entry.source} |"


def page() -> str:
    """Return the whole page."""
    lines = [HEAD]
    for family in FAMILIES:
        lines += [f"## {family.capitalize()}", ""]
        for entry in indicator.catalogue().values():
            if entry.family == family:
                lines += described(entry)
    lines += [
        "## Votes that come from no single indicator",
        "",
        "| vote | group | weight within it | needs |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {name} | {group} | {weight:g} | {', '.join(needs)} |"
        for name, (group, weight, needs) in CONTEXT_VOTES.items()
    ]
    lines += ["", "## Patterns, on the last closed bar", "", "| pattern | found when | source |", "|---|---|---|"]
    lines += [pattern_lines(entry) for entry in pattern.catalogue().values()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(TARGET.read_text(encoding="utf-8") != page())
    TARGET.write_text(page(), encoding="utf-8")
