"""The newest entry of each stream that is recorded: missing on the bus, it was taken back by a failover."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from services.api.store.database import MINE, Connection, Database
from shared.bus.replies import order
from shared.contracts import Stream

_LOAD: Final = f"SELECT stream, milliseconds, sequence FROM recorded_entries WHERE {MINE}"
_SAVE: Final = """
    INSERT INTO recorded_entries (stream, milliseconds, sequence) VALUES (%s, %s, %s)
    ON CONFLICT (market, stream) DO UPDATE SET milliseconds = EXCLUDED.milliseconds, sequence = EXCLUDED.sequence
    WHERE (recorded_entries.milliseconds, recorded_entries.sequence) < (EXCLUDED.milliseconds, EXCLUDED.sequence)
"""
_FORGET: Final = f"DELETE FROM recorded_entries WHERE {MINE} AND (stream, milliseconds, sequence) = (%s, %s, %s)"


async def load(database: Database) -> dict[Stream, str]:
    """Return the id of the newest recorded entry of each stream."""
    known = {str(stream): stream for stream in Stream}
    rows = await database.rows(_LOAD, [])
    return {known[row["stream"]]: f"{row['milliseconds']}-{row['sequence']}" for row in rows if row["stream"] in known}


async def save(connection: Connection, entries: Mapping[Stream, str]) -> None:
    """Keep *entries*, stream -> id, where they are newer, in the transaction that records them."""
    parameters = [(str(stream), *order(entries[stream])) for stream in sorted(entries)]
    async with connection.cursor() as cursor:
        await cursor.executemany(_SAVE.encode(), parameters)


async def forget(database: Database, entries: Mapping[Stream, str]) -> None:
    """Forget *entries*, stream -> id, which the bus will never have again; newer ones stay."""
    for stream, entry_id in entries.items():
        await database.execute(_FORGET, [str(stream), *order(entry_id)])
