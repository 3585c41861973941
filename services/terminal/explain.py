"""Show the seven gates of one decision: value against threshold, as a table for people or one JSON object.

The decision comes as the API tells it (`/api/explain/SYMBOL`); nothing is fetched or judged here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

JSON_FIELDS: Final = (
    "symbol",
    "scan_id",
    "side",
    "score",
    "confidence",
    "fmqs",
    "regime",
    "outcome",
    "appeared",
    "passed",
    "settings_version",
    "problem",
    "estimated",
    "gates",
)

Decision = Mapping[str, Any]


def as_json(decision: Decision) -> str:
    """Return the decision as one line of JSON; the gates carry their distance."""
    return json.dumps({name: decision.get(name) for name in JSON_FIELDS}, ensure_ascii=False, allow_nan=False)


def as_table(decision: Decision) -> RenderableType:
    """Return the decision for a terminal: a headline, the gates, and what came of it."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name, justify in (("", "left"), ("gate", "left"), ("value", "right"), ("threshold", "right")):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    table.add_column("distance", justify="right")
    table.add_column("reason", justify="left")
    for number, gate in enumerate(decision.get("gates", ()), 1):
        table.add_row(*_row(number, gate), style="green" if gate["passed"] else "red")
    return Group(headline(decision), table, Text(summary(decision)))


def headline(decision: Decision) -> Text:
    """Return the symbol, its side and its figures in one line."""
    time = datetime.fromtimestamp(decision["scan_id"] / 1_000, UTC).strftime("%Y-%m-%d %H:%M UTC")
    figures = f"score {_number(decision.get('score'))} · FMQS {_number(decision.get('fmqs'))}"
    confidence = f"confidence {_number(decision.get('confidence'))} · {str(decision.get('regime', '')).lower()}"
    return Text.from_markup(
        f"[bold]{escape(decision['symbol'])}[/bold] {decision['side']} · {time} · {figures} · {confidence}"
    )


def summary(decision: Decision) -> str:
    """Return in words how near it was."""
    if decision.get("problem"):
        return f"not analysed: {decision['problem']}"
    gates = decision.get("gates", ())
    failed = [gate["gate"] for gate in gates if not gate["passed"]]
    judged = f"{len(gates) - len(failed)} of {len(gates)} gates passed; {decision.get('outcome', '')}"
    estimated = decision.get("estimated") or ()
    return judged + (f"; estimated: {', '.join(estimated)}" if estimated else "")


def _row(number: int, gate: Mapping[str, Any]) -> tuple[str, ...]:
    distance = gate.get("distance")
    return (
        f"{number} {'✓' if gate['passed'] else '✗'}",
        gate["gate"],
        _number(gate.get("value")),
        _number(gate.get("threshold")),
        "–" if distance is None else f"{distance:+.2f}",
        gate["reason"],
    )


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}".rstrip("0").rstrip(".")
