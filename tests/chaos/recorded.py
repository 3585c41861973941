"""What Postgres holds at a moment, to see what it has not any more at a later one."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final

KEYS: Final[dict[str, str]] = {
    "scans": "SELECT scan_id::text FROM scans",
    "decisions": "SELECT symbol || ':' || scan_id FROM decisions",
    "signals": "SELECT signal_id FROM signals",
    "alerts": "SELECT alert_id FROM alerts",
    "deliveries": "SELECT report_id FROM deliveries",
    "outcomes": "SELECT outcome_id FROM outcomes",
}


@dataclass(frozen=True)
class Recorded:
    """The keys of each table's rows."""

    tables: dict[str, set[str]]

    def missing(self, later: Recorded) -> list[str]:
        """Return what *later* has not any more."""
        return [f"{name}: {row}" for name, rows in self.tables.items() for row in sorted(rows - later.tables[name])]

    def __str__(self) -> str:
        return ", ".join(f"{len(rows):,} {name}" for name, rows in self.tables.items())


def recorded(rows: Callable[[str], list[list[str]]], tables: Collection[str] = KEYS) -> Recorded:
    """Return what Postgres has now in *tables*; *rows* answers a query."""
    return Recorded({name: {row[0] for row in rows(KEYS[name])} for name in tables})
