"""Which months are archived, where their files are, and whether these are still as they were written."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Final

from services.api.store.database import MINE, Database

DECISIONS: Final = "decisions"  #: the folder in the archive's
NAME: Final = re.compile(r"(\d{4}-\d{2})(?:\.(\d+))?\.parquet")  #: month, generation
PART: Final = ".part"  #: ends the name of a file that is being written
_PIECE: Final = 1 << 20
_HELD: Final = f"SELECT * FROM archived_months WHERE {MINE} ORDER BY month DESC"
_CHECKED: Final = f"UPDATE archived_months SET checked_at = %s, problem = %s WHERE {MINE} AND month = %s AND file = %s"


class ArchiveUnreadableError(Exception):
    """A question reaches into a month whose file is missing or damaged; the text names it."""


@dataclass(frozen=True, kw_only=True)
class ArchivedMonth:
    """One market's decisions of one month, in a file."""

    market: str
    month: str  #: 2026-05, UTC
    file: str
    rows: int
    first_scan: int
    last_scan: int
    symbols: tuple[str, ...]
    digest: str
    bytes: int
    file_digest: str
    archived_at: int  #: wall clock, ms
    checked_at: int
    problem: str  #: what the last check found

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> ArchivedMonth:
        """Return what *row* of `archived_months` says."""
        values = {field.name: row[field.name] for field in fields(cls)}
        return cls(**values | {"symbols": tuple(row["symbols"])})

    def path(self, archive: Path) -> Path:
        """Return where the file is in the folder *archive*."""
        return folder_of(archive, self.market) / self.file

    def wrong(self, archive: Path) -> str:
        """Return what is wrong with the file, by a look at its size and by the last check; empty: nothing."""
        try:
            size = self.path(archive).stat().st_size
        except OSError:
            return f"{self.path(archive)} is missing"
        if size != self.bytes:
            return f"{self.path(archive)} is damaged: it has {size:,} bytes of {self.bytes:,}"
        return self.problem


def folder_of(archive: Path, market: str) -> Path:
    """Return the folder of a market's files."""
    return archive / DECISIONS / f"market={market}"


def files_of(folder: Path, month: str) -> list[Path]:
    """Return the files of *month* in a market's *folder*, of every generation."""
    return [path for path in folder.glob(f"{month}*") if NAME.fullmatch(path.name)]


def generation_of(path: Path) -> int:
    """Return which file of its month this is, from 1; a later one has what came after it."""
    found = NAME.fullmatch(path.name)
    return int(found[2] or 1) if found else 0


def digest_of(path: Path) -> str:
    """Return the SHA-256 of the file *path*."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            found.update(piece)
    return found.hexdigest()


def checked(month: ArchivedMonth, archive: Path) -> str:
    """Read the whole file of *month*; return what is wrong with it, empty where it is as it was written."""
    if wrong := replace(month, problem="").wrong(archive):
        return wrong
    path = month.path(archive)
    try:
        digest = digest_of(path)
    except OSError as error:
        return f"{path} cannot be read: {error.strerror}"
    return "" if digest == month.file_digest else f"{path} is damaged: its bytes are not those that were written"


async def held(database: Database) -> list[ArchivedMonth]:
    """Return this market's archived months, newest first."""
    return [ArchivedMonth.of_row(row) for row in await database.rows(_HELD)]


async def note_check(database: Database, month: ArchivedMonth, problem: str, at: int) -> None:
    """Keep what a check at *at*, wall clock, ms, found."""
    await database.execute(_CHECKED, [at, problem, month.month, month.file])
