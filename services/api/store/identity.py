"""Which database this is: its own id, and whether its market is real or simulated.  The two never mix."""

from __future__ import annotations

from dataclasses import dataclass

from services.api.store.database import Database


@dataclass(frozen=True)
class Identity:
    """A database's id and source."""

    instance: str
    source: str  #: "real", "simulated"; empty: nothing was recorded yet


async def load(database: Database) -> Identity:
    """Return the database's identity; raise `DatabaseAwayError`."""
    return Identity(**(await database.rows("SELECT instance, source FROM identity"))[0])
