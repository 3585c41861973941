"""The Parquet file of a month: written coin by coin, read back, and its rows compared by a digest.

pyarrow writes and DuckDB reads, so that what is verified is what another program makes of the file.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from services.api.store.archive.columns import COLUMNS, FORMAT

if TYPE_CHECKING:
    import duckdb

LEVEL: Final = 9  #: of zstd
KEY: Final = b"sevengate"  #: of the file's own description among its metadata
_TYPES: Final = {
    "string": pa.string(),
    "binary": pa.binary(),
    "bool": pa.bool_(),
    "floats": pa.list_(pa.float32()),
    "int16": pa.int16(),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
}
SCHEMA: Final = pa.schema([(name, _TYPES[kind]) for name, kind in COLUMNS.items()])
_REPEATED: Final = [name for name, kind in COLUMNS.items() if kind == "string"] + ["settings_version", "judgement_id"]
_COIN: Final = f"SELECT {', '.join(COLUMNS)} FROM read_parquet(?) WHERE symbol = ? ORDER BY scan_id"


class WrongFileError(Exception):
    """A file does not hold what it has to; the text says which and why."""


class Description(msgspec.Struct, frozen=True, kw_only=True):
    """What a file says about itself."""

    format: int
    instance: str  #: of the database that it comes from
    market: str
    month: str
    rows: int
    digest: str


@dataclass(frozen=True)
class Written:
    """What is in a file."""

    rows: int
    first_scan: int
    last_scan: int
    symbols: tuple[str, ...]
    digest: str


class Summary:
    """Counts rows and digests them, coin by coin."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._rows = 0
        self._scans: list[int] = []
        self._symbols: list[str] = []

    def take(self, symbol: str, coin: pa.Table) -> None:
        """Add the rows of one coin, by scan."""
        self._rows += coin.num_rows
        scans = coin["scan_id"]
        self._scans += [scans[0].as_py(), scans[-1].as_py()]
        self._symbols.append(symbol)
        self._hash.update(f"{symbol} {coin.num_rows}\n".encode())
        for name in COLUMNS:
            for part in _canonical(coin[name].combine_chunks()):
                self._hash.update(part)

    def written(self) -> Written:
        """Return what was taken; raise `WrongFileError` where it was nothing."""
        if not self._rows:
            raise WrongFileError("there are no rows")
        return Written(self._rows, min(self._scans), max(self._scans), tuple(self._symbols), self._hash.hexdigest())


def _canonical(column: pa.Array) -> Iterator[bytes]:
    """Yield bytes that equal columns have in common, and no others; NaN equals NaN."""
    if isinstance(column, pa.ChunkedArray):  # of no rows
        column = pa.concat_arrays(column.chunks)
    yield column.is_null().to_numpy(zero_copy_only=False).tobytes()
    if pa.types.is_list(column.type):
        yield pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False).tobytes()
        yield column.flatten().to_numpy(zero_copy_only=False).tobytes()
    elif pa.types.is_string(column.type) or pa.types.is_binary(column.type):
        coded = column.dictionary_encode()
        yield pc.fill_null(coded.indices, -1).to_numpy(zero_copy_only=False).tobytes()
        for value in coded.dictionary.to_pylist():
            data = value.encode() if isinstance(value, str) else value
            yield len(data).to_bytes(8, "big") + data
    else:
        zero = pa.scalar(0).cast(column.type) if not pa.types.is_boolean(column.type) else pa.scalar(value=False)
        yield pc.fill_null(column, zero).to_numpy(zero_copy_only=False).tobytes()


def table_of(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Return *rows* of Postgres, as `columns.COLUMNS` names them, as a table of the file's types."""
    return pa.table([pa.array([row[name] for row in rows], SCHEMA.field(name).type) for name in COLUMNS], schema=SCHEMA)


def write(path: Path, coins: Iterable[tuple[str, pa.Table]], instance: str, market: str, month: str) -> Written:
    """Write *coins*, in the order of their names, to *path* and to the disk; return what was written."""
    summary = Summary()
    with path.open("wb") as file:
        writer = pq.ParquetWriter(
            file,
            SCHEMA,
            compression="zstd",
            compression_level=LEVEL,
            use_dictionary=_REPEATED,
            write_page_checksum=True,
            version="2.6",
        )
        with writer:
            for symbol, coin in coins:
                summary.take(symbol, coin)
                writer.write_table(coin, row_group_size=coin.num_rows)  # a coin's own group is found by its name
            written = summary.written()
            description = Description(
                format=FORMAT, instance=instance, market=market, month=month, rows=written.rows, digest=written.digest
            )
            writer.add_key_value_metadata({KEY: msgspec.json.encode(description)})
        file.flush()
        os.fsync(file.fileno())
    return written


def described(path: Path) -> Description:
    """Return what the file *path* says about itself; raise `WrongFileError` where it is none of ours."""
    try:
        found = (pq.read_metadata(path).metadata or {}).get(KEY, b"")
        return msgspec.json.decode(found, type=Description)
    except (OSError, pa.ArrowInvalid, msgspec.MsgspecError) as error:
        raise WrongFileError(f"{path} is no file of this archive: {error}") from error


def coin_of(connection: duckdb.DuckDBPyConnection, path: Path, symbol: str) -> pa.Table:
    """Return the rows of *symbol* in *path*, by scan."""
    found: pa.Table = connection.sql(_COIN, params=[str(path), symbol]).to_arrow_table()
    return found.cast(SCHEMA)


def read_back(connection: duckdb.DuckDBPyConnection, path: Path) -> Written:
    """Return what is in *path*, having read every row of it; raise `WrongFileError` where that cannot be done."""
    summary = Summary()
    try:
        for symbol in symbols_of(connection, path):
            summary.take(symbol, coin_of(connection, path, symbol))
    except Exception as error:  # DuckDB's and Arrow's have no other class in common
        raise WrongFileError(f"{path} cannot be read: {error}") from error
    return summary.written()


def symbols_of(connection: duckdb.DuckDBPyConnection, path: Path) -> list[str]:
    """Return the coins in *path*, by name."""
    found = connection.execute("SELECT DISTINCT symbol FROM read_parquet(?)", [str(path)]).fetchall()
    return sorted(symbol for (symbol,) in found)
