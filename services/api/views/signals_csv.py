"""The history of signals as lines of CSV that a spreadsheet reads."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from services.api.views.worth import of_row

#: column of the file -> column of the table; the file's names say their units
COLUMNS: Final = {
    "signal_id": "signal_id",
    "symbol": "symbol",
    "side": "side",
    "opened_utc": "scan_id",
    "entry": "entry",
    "stop": "stop",
    "target": "target",
    "reward_to_risk_net": "reward_to_risk",
    "weak": "weak",
    "score_0_100": "score",
    "fmqs_0_100": "fmqs",
    "confidence_percent": "confidence",
    "agreement_0_100": "agreement",
    "regime": "regime",
    "strength_1_5": "strength",
    "estimated_inputs": "estimated",
    "status": "status",
    "closed_utc": "closed_at",
    "close_price": "close_price",
    "close_reason": "close_reason",
    "result_r_before_costs": "result_r",
    "best_r": "best_r",
    "worst_r": "worst_r",
    "cost_r": "cost_r",
    "similar_signals": "similar_signals",
    "similar_hit_percent": "similar_hit_percent",
    "similar_needed_percent": "similar_needed_percent",
}
TIMES: Final = frozenset({"scan_id", "closed_at"})
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")  #: a spreadsheet would evaluate a cell that begins with one of these

HEAD: Final = ",".join(COLUMNS) + "\r\n"


def lines(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return *rows* of the table, one line each."""
    return "".join(_line_of({**row, **_worth(row["worth"])}) for row in rows)


def _line_of(row: Mapping[str, Any]) -> str:
    return line([cell(name, row[name]) for name in COLUMNS.values()])


def _worth(found: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return cost and results of similar setups as in the signal's alert; empty where it had none."""
    worth = of_row(found)
    comparable = worth and worth.comparable
    return {
        "cost_r": worth and round(worth.cost_r, 4),
        "similar_signals": comparable and comparable.n,
        "similar_hit_percent": comparable and round(comparable.hit_rate * 100, 2),
        "similar_needed_percent": comparable and round(comparable.break_even * 100, 2),
    }


def cell(name: str, value: Any) -> str:
    """Return *value* as a spreadsheet reads it."""
    if value is None:
        return ""
    if name in TIMES:
        return datetime.fromtimestamp(value / 1_000, UTC).strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return " ".join(map(str, value))
    if isinstance(value, str) and value.startswith(FORMULA):
        return f"'{value}"
    return str(value)


def line(cells: Sequence[str]) -> str:
    written = io.StringIO()
    csv.writer(written).writerow(cells)
    return written.getvalue()
