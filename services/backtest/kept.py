"""Analyses kept on disk by content: the code that made them, the bars, and the settings they depend on.

A coin and month is one file, written whole or not at all, so that a run that was broken off goes on where it stopped.
Beside each analysis stand, as one table, the figures that the gates read of it.  What no gate, lifecycle or outcome
reads (charts, votes, indicator values) is left out.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from itertools import islice, pairwise
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt
import zstandard

from services.backtest.recorded.recording import CoinHistory
from services.fetcher.domain.bars import CLOSE, OPEN_TIME
from shared.contracts import Analysis, Floats
from shared.gates import GATES
from shared.settings import RuntimeSettings

ROOT: Final = Path(__file__).resolve().parents[2]
#: what an analysis, and a gate's figures of it, are made by
CODE: Final = (
    "services/analyzer/domain",
    "services/fetcher/domain",
    "services/simulator/market",
    "services/backtest",
    "shared/gates",
)
FILES: Final = (
    "shared/contracts.py",
    "shared/odds.py",
    "shared/gate.py",
    "shared/kernels/build.py",
    "shared/kernels/source.py",
    "shared/kernels/types.py",
    "services/simulator/instruments.py",
)
OWN: Final = ("recording.py", "observed.py", "futures_data.py", "walk.py", "kept.py")  #: of this folder
LEVEL: Final = 1

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Analysis).decode
Scans = npt.NDArray[np.int64]


class KeptError(OSError):
    """The analyses cannot be kept."""


def slim(analysis: Analysis) -> Analysis:
    """Return *analysis* without what no judgement reads."""
    frames = tuple(
        msgspec.structs.replace(
            frame,
            values={"atr": frame.values.get("atr")} if frame.interval == "1h" else {},
            votes={},
            weights={},
            patterns={},
        )
        for frame in analysis.timeframes
    )
    levels, fmqs = analysis.levels, analysis.fmqs
    return msgspec.structs.replace(
        analysis,
        bonus=(),
        agreement_parts={},
        timeframes=frames,
        groups=tuple(msgspec.structs.replace(group, votes={}) for group in analysis.groups),
        fmqs=fmqs and msgspec.structs.replace(fmqs, components={}),
        levels=levels and msgspec.structs.replace(levels, supports=(), resistances=()),
        chart=b"",
        derivatives={},
    )


def packed(analysis: Analysis) -> bytes:
    """Return the bytes of *analysis* without what no judgement reads."""
    return _encode(slim(analysis))


def unpacked(row: bytes) -> Analysis:
    """Return the analysis that `packed` wrote."""
    return _decode(row)


def figures_of(analysis: Analysis) -> dict[str, float]:
    """Return what the gates read of *analysis* where they are asked about many; NaN of one with a problem."""
    found = {name: value for gate in GATES.values() for name, value in gate.figures(analysis).items()}
    return dict.fromkeys(found, math.nan) if analysis.problem else found


@dataclass(frozen=True)
class GateTable:
    """The gates' figures of many analyses, oldest first."""

    scans: Scans
    figures: Mapping[str, Floats]  #: by name, each as long as `scans`

    def at(self, scans: Scans) -> GateTable:
        """Return the part of *scans* alone."""
        chosen = np.isin(self.scans, scans)
        return GateTable(self.scans[chosen], {name: values[chosen] for name, values in self.figures.items()})


@dataclass
class KeptMonth:
    """A coin's analyses of one month."""

    names: tuple[str, ...] = ()  #: of the figures
    rows: dict[int, bytes] = field(default_factory=dict)  #: by scan, as `packed` writes them
    read: Floats = field(default_factory=lambda: np.empty((0, 0)))  #: figures of the first rows, a column a name
    added: list[tuple[float, ...]] = field(default_factory=list)  #: of the others

    def add(self, analysis: Analysis) -> None:
        """Keep *analysis*."""
        figures = figures_of(analysis)
        self.names = self.names or tuple(figures)
        self.rows[analysis.scan_id] = packed(analysis)
        self.added.append(tuple(figures[name] for name in self.names))

    @property
    def figures(self) -> Floats:
        """The figures of all rows, shape (rows, names)."""
        if not self.added:
            return self.read
        return np.concatenate((self.read.reshape(-1, len(self.names)), np.array(self.added)))

    def table(self) -> GateTable:
        """Return the figures as a table."""
        figures = self.figures
        scans = np.fromiter(islice(self.rows, len(figures)), np.int64)  # one that was broken off has none yet
        order = np.argsort(scans)
        return GateTable(scans[order], {name: figures[order, column] for column, name in enumerate(self.names)})


def joined(tables: Sequence[GateTable]) -> GateTable:
    """Return *tables*, which follow one another, as one."""
    every = [table for table in tables if table.scans.size]
    if not every:
        return GateTable(np.empty(0, np.int64), {})
    names = every[0].figures
    figures = {name: np.concatenate([table.figures[name] for table in every]) for name in names}
    return GateTable(np.concatenate([table.scans for table in every]), figures)


class _File(msgspec.Struct, array_like=True):
    """A month as it is written; arrays are packed little-endian."""

    names: tuple[str, ...]
    scans: bytes  #: int64
    figures: bytes  #: float64, a row a scan and a column a name
    ends: bytes  #: int64: where each analysis ends in `rows`
    rows: bytes


_file = msgspec.msgpack.Decoder(_File).decode


def asked_of_analysis(settings: RuntimeSettings) -> str:
    """Return those of the *settings* that an analysis depends on."""
    return f"{settings.analysis.model_dump_json()} {float(settings.outcomes.hours)}"


class KeptAnalyses:
    """The files of one coin under *folder*; each is read once."""

    def __init__(self, folder: Path, history: CoinHistory, bitcoin: Floats) -> None:
        self._folder = folder / history.symbol
        self._history, self._bitcoin = history, bitcoin
        self._contents: dict[int, bytes] = {}
        self._months: dict[Path, KeptMonth] = {}

    def path(self, scan_id: int, settings: RuntimeSettings) -> Path:
        """Return the file that keeps the analysis of *scan_id* under *settings*."""
        last = min(end_of_month(scan_id), self._history.end)
        asked = f"{code_version()} {asked_of_analysis(settings)} {self._history.tick} {self._history.estimated}"
        digest = hashlib.blake2b(asked.encode() + self._content(last), digest_size=12)
        return self._folder / f"{month_of(scan_id)}-{digest.hexdigest()}.zst"

    def _content(self, last: int) -> bytes:
        """Return a digest of what was recorded up to the scan *last*: of its month, after all those before."""
        if last not in self._contents:
            history, start = self._history, beginning_of_month(last)
            has_earlier = start > history.genesis
            before, since = (self._content(start), float(start)) if has_earlier else (b"", -math.inf)
            columns = slice(max(0, history.column(start)), history.column(last))
            digest = hashlib.blake2b(before + history.five[:, columns].tobytes(), digest_size=12)
            digest.update(history.derivatives[:, columns].tobytes())
            points = history.observed.points[:, columns]
            digest.update(points.tobytes() if np.isfinite(points).any() else b"nothing")
            digest.update(_between(self._bitcoin[[OPEN_TIME, CLOSE]], since, last))
            if (settled := history.settlements) is not None:
                digest.update(_between(np.array((settled.at, settled.rate)), since, last))
            self._contents[last] = digest.digest()
        return self._contents[last]

    def month(self, path: Path) -> KeptMonth:
        """Return what is kept in *path*; what is added to it is written by `save`."""
        if path not in self._months:
            self._months[path] = self.read(path)
        return self._months[path]

    @contextmanager
    def saving(self) -> Iterator[None]:
        """Write what the block adds, even when it is broken off."""
        try:
            yield
        finally:
            self.save()

    def save(self) -> None:
        """Write every month that was added to; raises `KeptError` with a sentence where that cannot be done."""
        for path, month in self._months.items():
            if month.added:
                self.write(path, month)
                month.read, month.added = month.figures, []

    @staticmethod
    def read(path: Path) -> KeptMonth:
        """Return what is kept in *path*; nothing where there is no sound file."""
        try:
            file = _file(zstandard.ZstdDecompressor().decompress(path.read_bytes()))
            scans: list[int] = np.frombuffer(file.scans, "<i8").tolist()
            ends: list[int] = np.frombuffer(file.ends, "<i8").tolist()
            figures = np.frombuffer(file.figures, "<f8").reshape(len(scans), len(file.names))
        except (FileNotFoundError, zstandard.ZstdError, msgspec.DecodeError, ValueError):
            return KeptMonth()
        if len(ends) != len(scans) or ends[-1:] != [len(file.rows)]:
            return KeptMonth()
        rows = [file.rows[start:end] for start, end in pairwise([0, *ends])]
        return KeptMonth(file.names, dict(zip(scans, rows, strict=True)), figures)

    @staticmethod
    def write(path: Path, month: KeptMonth) -> None:
        """Keep *month*; raises `KeptError` with a sentence where it cannot be."""
        figures = month.figures
        rows = dict(islice(month.rows.items(), len(figures)))
        file = _File(
            month.names,
            np.fromiter(rows, "<i8").tobytes(),
            figures.astype("<f8").tobytes(),
            np.cumsum([len(row) for row in rows.values()], dtype="<i8").tobytes(),
            b"".join(rows.values()),
        )
        part = path.with_suffix(f".{os.getpid()}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            part.write_bytes(zstandard.ZstdCompressor(LEVEL).compress(_encode(file)))
            part.replace(path)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise KeptError(
                f"the analyses cannot be kept in {path.parent} ({error.strerror}): make room or choose another"
                f" SEVENGATE_DATA_DIR; what was kept so far is used by the next run"
            ) from error


def _between(rows: Floats, start: float, end: float) -> bytes:
    """Return those columns of *rows* whose time, in the first row, is from *start* to before *end*."""
    first, last = np.searchsorted(rows[0], (start, end))
    return rows[:, first:last].tobytes()


def month_of(scan_id: int) -> str:
    """Return the UTC month of a scan: "2025-08"; midnight belongs to the day before, whose bar closes then."""
    return datetime.fromtimestamp((scan_id - 1) / 1_000, UTC).strftime("%Y-%m")


def beginning_of_month(scan_id: int) -> int:
    """Return the midnight at which the month of *scan_id* begins, the last scan of the month before."""
    within = datetime.fromtimestamp((scan_id - 1) / 1_000, UTC)
    return int(datetime(within.year, within.month, 1, tzinfo=UTC).timestamp() * 1_000)


def end_of_month(scan_id: int) -> int:
    """Return the last scan of the month of *scan_id*: the midnight at its end."""
    within = datetime.fromtimestamp((scan_id - 1) / 1_000, UTC)
    year, month = within.year + within.month // 12, within.month % 12 + 1
    return int(datetime(year, month, 1, tzinfo=UTC).timestamp() * 1_000)


@cache
def code_version() -> str:
    """Return a digest of the code that analyses are made by."""
    digest = hashlib.blake2b(digest_size=12)
    paths = [ROOT / name for name in FILES]
    for folder in CODE:
        paths += [
            path for path in sorted((ROOT / folder).rglob("*.py")) if folder != "services/backtest" or path.name in OWN
        ]
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()
