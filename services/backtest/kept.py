"""Analyses kept on disk by content: the code that made them, the bars, and the settings they depend on.

A coin and month is one file, written whole or not at all, so that a run that was broken off goes on where it stopped.
What no gate, lifecycle or outcome reads (charts, votes, indicator values) is left out.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Final

import msgspec
import zstandard

from services.backtest.recorded.recording import CoinHistory
from shared.contracts import SCAN_MS, Analysis, Floats
from shared.settings import RuntimeSettings

ROOT: Final = Path(__file__).resolve().parents[2]
#: what an analysis is made by
CODE: Final = ("services/analyzer/domain", "services/fetcher/domain", "services/simulator/market", "services/backtest")
FILES: Final = (
    "shared/contracts.py",
    "shared/odds.py",
    "shared/kernels/build.py",
    "shared/kernels/source.py",
    "shared/kernels/types.py",
    "services/simulator/instruments.py",
)
OWN: Final = ("recording.py", "observed.py", "futures_data.py", "walk.py", "kept.py")  #: of this folder
LEVEL: Final = 1

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Analysis).decode
_rows = msgspec.msgpack.Decoder(dict[int, bytes])
Rows = dict[int, bytes]


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


def asked_of_analysis(settings: RuntimeSettings) -> str:
    """Return those of the *settings* that an analysis depends on."""
    return f"{settings.analysis.model_dump_json()} {float(settings.outcomes.hours)}"


class KeptAnalyses:
    """The files of one coin under *folder*."""

    def __init__(self, folder: Path, history: CoinHistory, bitcoin: Floats) -> None:
        self._folder = folder / history.symbol
        self._history, self._bitcoin = history, bitcoin
        self._contents: dict[int, bytes] = {}

    def path(self, month: str, last: int, settings: RuntimeSettings) -> Path:
        """Return the file of *month*, whose last recorded scan is *last*."""
        asked = f"{code_version()} {asked_of_analysis(settings)} {self._history.tick} {self._history.estimated}"
        digest = hashlib.blake2b(asked.encode() + self._content(last), digest_size=12)
        return self._folder / f"{month}-{digest.hexdigest()}.zst"

    def _content(self, last: int) -> bytes:
        """Return a digest of what was recorded up to the scan *last*."""
        if last not in self._contents:
            end = self._history.column(last)
            digest = hashlib.blake2b(self._history.five[:, :end].tobytes(), digest_size=12)
            digest.update(self._history.derivatives[:, :end].tobytes())
            digest.update(self._history.observed.points[:, :end].tobytes())
            until = self._history.genesis + end * SCAN_MS
            digest.update(self._bitcoin[:, self._bitcoin[0] < until].tobytes())
            if (settled := self._history.settlements) is not None:
                known = settled.at < until
                digest.update(settled.at[known].tobytes() + settled.rate[known].tobytes())
            self._contents[last] = digest.digest()
        return self._contents[last]

    @contextmanager
    def growing(self, path: Path) -> Iterator[Rows]:
        """Yield what is kept in *path*, and keep what was added to it, even when the work is broken off."""
        rows = self.read(path)
        before = len(rows)
        try:
            yield rows
        finally:
            if len(rows) > before:
                self.write(path, rows)

    @staticmethod
    def read(path: Path) -> Rows:
        """Return what is kept in *path*: rows by scan; none where there is no sound file."""
        try:
            return _rows.decode(zstandard.ZstdDecompressor().decompress(path.read_bytes()))
        except (FileNotFoundError, zstandard.ZstdError, msgspec.DecodeError):
            return {}

    @staticmethod
    def write(path: Path, rows: Mapping[int, bytes]) -> None:
        """Keep *rows*; raises `KeptError` with a sentence where they cannot be."""
        part = path.with_suffix(f".{os.getpid()}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            part.write_bytes(zstandard.ZstdCompressor(LEVEL).compress(_encode(dict(rows))))
            part.replace(path)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise KeptError(
                f"the analyses cannot be kept in {path.parent} ({error.strerror}): make room or choose another"
                f" SEVENGATE_DATA_DIR; what was kept so far is used by the next run"
            ) from error


def month_of(scan_id: int) -> str:
    """Return the UTC month of a scan: "2025-08"; midnight belongs to the day before, whose bar closes then."""
    return datetime.fromtimestamp((scan_id - 1) / 1_000, UTC).strftime("%Y-%m")


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
