"""Show the gates of one decision: value against threshold, as a table or one JSON object.

The decision comes from the API (`/api/coins/SYMBOL/explain`); nothing is fetched or judged here.
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
    "forecast",
    "expected_r",
    "agreement",
    "worth",
    "fmqs",
    "regime",
    "outcome",
    "appeared",
    "passed",
    "settings_version",
    "problem",
    "estimated",
    "young",
    "gates",
)

Decision = Mapping[str, Any]


def as_json(decision: Decision) -> str:
    """Return the decision as one line of JSON; the gates carry their distance."""
    return json.dumps({name: decision.get(name) for name in JSON_FIELDS}, ensure_ascii=False, allow_nan=False)


def as_table(decision: Decision) -> RenderableType:
    """Return the decision for a terminal: a headline, the gates, and the outcome."""
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
    agreement = f"agreement {_number(decision.get('agreement'))} · {str(decision.get('regime', '')).lower()}"
    chance = _chance(decision.get("confidence"))
    return Text.from_markup(
        f"[bold]{escape(decision['symbol'])}[/bold] {decision['side']} · {time} · {figures} · {chance}{agreement}"
    )


def summary(decision: Decision) -> str:
    """Return how many gates passed, and the outcome."""
    if decision.get("problem"):
        return f"not analysed: {decision['problem']}"
    gates = decision.get("gates", ())
    failed = [gate["gate"] for gate in gates if not gate["passed"]]
    judged = f"{len(gates) - len(failed)} of {len(gates)} gates passed; {decision.get('outcome', '')}"
    estimated = decision.get("estimated") or ()
    if young := decision.get("young"):
        judged += f"; young: short history on {', '.join(young)}"
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


def _chance(confidence: float | None) -> str:
    return "" if confidence is None else f"confidence {confidence:.0f} % · "


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}".rstrip("0").rstrip(".")
