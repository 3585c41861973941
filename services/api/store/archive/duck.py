"""DuckDB in this process: in memory, with a bound on it, one query at a time, and nothing but the archive's folder."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import duckdb

MEMORY: Final = "96MB"  #: of a query; what it has no room for goes to the folder's `.spill`
SPILL: Final = "1GB"
SPILL_FOLDER: Final = ".spill"
_one_at_a_time: Final = threading.Lock()


@contextmanager
def opened(folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Give a connection that can read the files in *folder* and nothing else; it has no network and no extensions.

    It waits until no other thread has one.
    """
    import duckdb  # noqa: PLC0415 it takes 66 MB, and only a question about old months needs it

    with _one_at_a_time, duckdb.connect(":memory:", config=_settings(folder)) as connection:
        allowed = str(folder.absolute()).replace("'", "''")
        connection.execute(f"SET allowed_directories = ['{allowed}']")  # before the next, which closes all else
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        yield connection


def _settings(folder: Path) -> dict[str, str | bool | int | float | list[str]]:
    return {
        "threads": 1,  # more of them take memory beyond the limit
        "memory_limit": MEMORY,
        "temp_directory": str(folder / SPILL_FOLDER),
        "max_temp_directory_size": SPILL,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "allow_community_extensions": False,
        "allow_persistent_secrets": False,
        "python_enable_replacements": False,
    }
