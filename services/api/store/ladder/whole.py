"""Whole decisions: read while they are kept, narrow ones after that."""

from __future__ import annotations

from typing import Final

from services.api.store.database import MINE, Database, Row
from services.api.store.ladder import narrow
from services.api.store.ladder.record import readable
from shared.contracts import HOUR_MS, Decision

#: Rows for `decision_of`, of `decisions d`; conditions follow.
SELECT: Final = f"""
    SELECT {", ".join(f"d.{name}" for name in narrow.COLUMNS)}, j.verdicts, j.common,
        coalesce(w.record, d.record) AS record
    FROM decisions d LEFT JOIN judgements j ON j.judgement_id = d.judgement_id
    LEFT JOIN whole_decisions w ON w.market = d.market AND w.symbol = d.symbol AND w.scan_id = d.scan_id
"""
#: The same of those that outlive their month of `decisions`.
OUTLIVING: Final = "SELECT scan_id, NULL AS judgement_id, record FROM whole_decisions"


def decision_of(row: Row) -> Decision | None:
    """Return the decision in *row*, whole where it is; None where a later program cannot read it any more."""
    if row["record"] is not None:
        message = readable(row["record"])
        if isinstance(message, Decision):
            return message
    return narrow.of_row(row) if row["judgement_id"] is not None else None


async def drop_whole(database: Database, newest: int, hours: int) -> int:
    """Delete this market's whole decisions that are more than *hours* older than the scan *newest*; return how many.

    Signals and near misses stay.
    """
    limit = newest - hours * HOUR_MS
    return await database.execute(f"DELETE FROM whole_decisions WHERE {MINE} AND NOT kept AND scan_id < %s", [limit])
