"""The last answer about the record of a span, kept across restarts."""

from __future__ import annotations

from dataclasses import dataclass

from services.api.store.database import MINE, Database
from shared.version import version


@dataclass(frozen=True)
class KeptRecord:
    """One span's answer, what it was computed from, and how long that took."""

    answer: bytes
    mark: tuple[int, int]  #: see `outcomes.mark`
    seconds: float


async def read(database: Database, days: int) -> KeptRecord | None:
    """Return the last answer that this version of the program made."""
    rows = await database.rows(
        f"SELECT answer, n, at, seconds FROM kept_records WHERE {MINE} AND days = %s AND program = %s",  # noqa: S608 a constant of the program
        [days, version()],
    )
    return KeptRecord(rows[0]["answer"], (rows[0]["n"], rows[0]["at"]), rows[0]["seconds"]) if rows else None


async def write(database: Database, days: int, made: KeptRecord) -> None:
    """Keep *made* instead of the last one."""
    await database.execute(
        "INSERT INTO kept_records (days, program, n, at, seconds, answer) VALUES (%s, %s, %s, %s, %s, %s) "
        "ON CONFLICT (market, days) DO UPDATE SET program = EXCLUDED.program, n = EXCLUDED.n, at = EXCLUDED.at, "
        "seconds = EXCLUDED.seconds, answer = EXCLUDED.answer",
        [days, version(), *made.mark, made.seconds, made.answer],
    )
