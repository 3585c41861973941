"""Load months of the exchange's public archive into the history; what is in stays in, whenever it is broken off.

A month of a symbol is one step: its files are loaded and checked, merged, and then noted as done.  A run that was
broken off goes on with the first file that is not done and not loaded.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

import pandas as pd

from services.fetcher.history.archive import Dump, read_dump
from services.fetcher.history.download import ArchiveClient, ArchiveFile, Kind, NotThereError, WrongChecksumError
from services.fetcher.history.store import BadFileError, History
from shared.symbols import pair_of

KINDS: Final[tuple[Kind, ...]] = ("klines", "metrics", "fundingRate")
LATE_DAYS: Final = 3  #: a day's files come within so many days
MONTH: Final = re.compile(r"20\d\d-(?:0[1-9]|1[0-2])")
WORDS: Final[dict[Kind, str]] = {"klines": "bars", "metrics": "metrics", "fundingRate": "funding"}


@dataclass(frozen=True)
class CoinMonth:
    """One month of one symbol."""

    symbol: str
    month: str


class BadPlanError(ValueError):
    """What cannot be asked for; the text says what to write."""


@dataclass(frozen=True)
class FetchPlan:
    """What to load."""

    steps: tuple[CoinMonth, ...]
    kinds: tuple[Kind, ...]

    def files(self, today: date) -> int:
        """Return how many files that is."""
        return sum(1 for step in self.steps for kind in self.kinds for _ in files_of(step, kind, today))


def plan_of(symbols: Sequence[str], first: str, last: str, only: Sequence[str], today: date) -> FetchPlan:
    """Return the plan of a command's words: coins by name, months as YYYY-MM; raises `BadPlanError`.

    Without a first month the last three are meant, without a last one all up to the present.
    """
    this = today.strftime("%Y-%m")
    for text in (first, last):
        if text and not MONTH.fullmatch(text):
            raise BadPlanError(f"{text!r} is not a month such as 2026-01")
    last = min(last or this, this)
    first = first or months_between("2019-09", last)[-3:][0]
    if first > last:
        raise BadPlanError(f"no month from {first} to {last}: the archive ends yesterday")
    kinds = tuple(kind for kind in KINDS if not only or WORDS[kind] in only)
    if unknown := sorted(set(only) - set(WORDS.values())):
        raise BadPlanError(f"--only {unknown[0]}: there are {', '.join(WORDS.values())}")
    names = dict.fromkeys(pair_of(symbol) for symbol in symbols)
    return FetchPlan(tuple(CoinMonth(name, month) for name in names for month in months_between(first, last)), kinds)


@dataclass
class FetchReport:
    """What a run did, and what it could not do."""

    loaded: int = 0  #: files
    held: int = 0  #: files that an earlier run had merged
    new: dict[str, int] = field(default_factory=dict)  #: symbol -> new rows
    absent: dict[str, list[ArchiveFile]] = field(default_factory=dict)  #: symbol -> what the archive has not
    there: set[str] = field(default_factory=set)  #: symbols of which the archive has something
    refused: list[str] = field(default_factory=list)  #: sentences

    def sentences(self, today: date) -> Iterator[str]:
        """Yield a sentence for each kind of file that is not in the history."""
        for symbol, files in sorted(self.absent.items()):
            if symbol not in self.there:
                yield (
                    f"{symbol}: the archive has nothing of it in that time:"
                    " never listed under this name, not yet, or not any more"
                )
                continue
            for kind in KINDS:
                periods = sorted(file.period for file in files if file.kind == kind)
                late = [period for period in periods if _is_late(period, today)]
                gone = [period for period in periods if period not in late]
                if gone:
                    yield f"{symbol}: the archive has no {WORDS[kind]} of {_listed(gone)}"
                if late:
                    yield f"{symbol}: {WORDS[kind]} of {_listed(late)} are not there yet: run it again in a day or two"
        yield from self.refused


class DoneFiles:
    """Which files of a symbol are merged, by name; written after each month."""

    def __init__(self, folder: Path, symbol: str) -> None:
        self._path = folder / f"{symbol}.json"
        try:
            self._names: dict[str, Any] = json.loads(self._path.read_text())
        except (OSError, ValueError):
            self._names = {}  # nothing was merged yet, or the note is broken: files are loaded again and change nothing

    def has(self, file: ArchiveFile) -> bool:
        return file.name in self._names

    def add(self, rows: dict[ArchiveFile, int]) -> None:
        """Note *rows* (file -> rows in it) as merged."""
        self._names |= {file.name: count for file, count in rows.items()}
        part = self._path.with_suffix(".part")
        part.write_text(json.dumps(dict(sorted(self._names.items())), indent=0))
        part.replace(self._path)


class Fetch:
    """One run over the steps: while one is merged, the files of the next are on their way.

    *advance* is called with the number of files that are settled, one way or another.
    """

    def __init__(
        self,
        history: History,
        client: ArchiveClient,
        *,
        today: date,
        kinds: Sequence[Kind] = KINDS,
        advance: Callable[[int], None] = lambda _: None,
    ) -> None:
        self.report = FetchReport()
        self._history, self._client, self._today, self._kinds, self._advance = history, client, today, kinds, advance
        self._folder = history.folder / ".archive"
        self._merging = asyncio.Lock()
        self._steps = asyncio.Semaphore(2)

    async def run(self, steps: Iterable[CoinMonth]) -> FetchReport:
        """Take all *steps*; raises `ArchiveError`, `BadFileError` (a month that cannot be read) and `OSError`."""
        self._folder.mkdir(parents=True, exist_ok=True)
        try:
            async with asyncio.TaskGroup() as group:
                for step in steps:
                    await self._steps.acquire()
                    group.create_task(self._take(step))
        except ExceptionGroup as errors:
            raise _first(errors) from errors
        return self.report

    async def _take(self, step: CoinMonth) -> None:
        try:
            loaded = await self._load_step(step)
            if loaded:
                async with self._merging:
                    await asyncio.to_thread(self._merge, step, loaded)
        finally:
            self._steps.release()

    async def _load_step(self, step: CoinMonth) -> dict[ArchiveFile, Path]:
        """Load the bars, and what belongs to them where there are any: a coin that was not listed is not asked for."""
        loaded: dict[ArchiveFile, Path] = {}
        others = [kind for kind in self._kinds if kind != "klines"]
        if "klines" in self._kinds:
            loaded = await self._load_kind(step, "klines")
            if not loaded and not self._history.path(step.symbol, step.month).exists():
                self._advance(sum(1 for kind in others for _ in files_of(step, kind, self._today)))
                return {}
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._load_kind(step, kind)) for kind in others]
        for task in tasks:
            loaded |= task.result()
        return loaded

    async def _load_kind(self, step: CoinMonth, kind: Kind) -> dict[ArchiveFile, Path]:
        """Return the files of *kind* that are to be merged; where the archive has no month of bars yet, its days."""
        files = list(files_of(step, kind, self._today))
        found = await self._load_all(files)
        whole = ArchiveFile("klines", step.symbol, step.month)
        if files == [whole] and whole in self.report.absent.get(step.symbol, ()):
            self.report.absent[step.symbol].remove(whole)
            found = await self._load_all(list(_days(step, kind, self._today)))
        return found

    async def _load_all(self, files: Sequence[ArchiveFile]) -> dict[ArchiveFile, Path]:
        if not files:
            return {}
        done = DoneFiles(self._folder, files[0].symbol)
        month = self._history.path(files[0].symbol, files[0].period[:7])
        wanted = [file for file in files if not (month.exists() and done.has(file))]
        if len(wanted) < len(files):
            self.report.held += len(files) - len(wanted)
            self._advance(len(files) - len(wanted))
            self.report.there.add(files[0].symbol)
        async with asyncio.TaskGroup() as group:
            tasks = {file: group.create_task(self._load(file)) for file in wanted}
        return {file: path for file, task in tasks.items() if (path := task.result()) is not None}

    async def _load(self, file: ArchiveFile) -> Path | None:
        try:
            path = await self._client.load(file, self._folder)
        except NotThereError:
            self._advance(1)
            self.report.absent.setdefault(file.symbol, []).append(file)
            return None
        except WrongChecksumError as error:
            self._advance(1)
            self.report.there.add(file.symbol)
            self.report.refused.append(f"{error}: not in the history; run it again later")
            return None
        self._advance(1)
        self.report.there.add(file.symbol)
        return path

    def _merge(self, step: CoinMonth, loaded: dict[ArchiveFile, Path]) -> None:
        """Put what was loaded into the month's file at once, note it as done, and remove the files."""
        dumps: dict[ArchiveFile, Dump] = {}
        for file, path in loaded.items():
            try:
                dumps[file] = read_dump(path)
            except BadFileError as error:
                self.report.refused.append(f"{error}: not in the history")
                path.unlink(missing_ok=True)
        if not dumps:
            return
        rows = pd.concat([dump.rows for dump in dumps.values()], ignore_index=True)
        stamps = {day: rule for dump in dumps.values() for day, rule in dump.stamps.items()}
        new = self._history.merge(step.symbol, rows, stamps=stamps)
        DoneFiles(self._folder, step.symbol).add({file: len(dump.rows) for file, dump in dumps.items()})
        self.report.new[step.symbol] = self.report.new.get(step.symbol, 0) + new
        self.report.loaded += len(dumps)
        for file in dumps:
            loaded[file].unlink(missing_ok=True)


def _first(error: Exception) -> Exception:
    """Return the first error in *error*, a group of groups: what ended the run; the others followed from it."""
    return _first(error.exceptions[0]) if isinstance(error, ExceptionGroup) else error


def files_of(step: CoinMonth, kind: Kind, today: date) -> Iterator[ArchiveFile]:
    """Yield the files of *kind* that the archive should have of *step* on *today*."""
    is_over = step.month < today.strftime("%Y-%m")
    if kind == "metrics" or (kind == "klines" and not is_over):
        yield from _days(step, kind, today)
    elif is_over:
        yield ArchiveFile(kind, step.symbol, step.month)


def _days(step: CoinMonth, kind: Kind, today: date) -> Iterator[ArchiveFile]:
    day = date.fromisoformat(f"{step.month}-01")
    while day.strftime("%Y-%m") == step.month and day < today:
        yield ArchiveFile(kind, step.symbol, day.isoformat())
        day += timedelta(days=1)


def months_between(first: str, last: str) -> list[str]:
    """Return the months from *first* to *last*, both YYYY-MM, both included."""
    (year, month), (end_year, end_month) = (tuple(map(int, text.split("-"))) for text in (first, last))
    count = (end_year - year) * 12 + end_month - month + 1
    return [f"{year + (month - 1 + n) // 12:04}-{(month - 1 + n) % 12 + 1:02}" for n in range(count)]


def _is_late(period: str, today: date) -> bool:
    """Return whether the file of *period* may still come."""
    if len(period) == len("2026-01"):
        following = date.fromisoformat(f"{period}-28") + timedelta(days=4)
        return today - following.replace(day=1) <= timedelta(days=LATE_DAYS)
    return today - date.fromisoformat(period) <= timedelta(days=LATE_DAYS)


def _listed(periods: Sequence[str]) -> str:
    """Return *periods* in a short form: a few by name, many as first, last and count."""
    if len(periods) <= 3:
        return ", ".join(periods)
    return f"{len(periods)} {'days' if len(periods[0]) > 7 else 'months'} from {periods[0]} to {periods[-1]}"
