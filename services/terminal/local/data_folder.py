"""The folder of a local stack: which process uses it, and the addresses of what runs on it."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Container
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

from shared.config.environment import Environment

NO_BUS: Final = "nothing runs here (start ./sevengate demo or up), and SEVENGATE_REDIS_URL is not set"
BUS_ADDRESS: Final = "redis-url"
API_ADDRESS: Final = "api-url"
INSTANCE: Final = "instance"  #: written by the API
DATABASE_ADDRESS: Final = "database-url"


class FolderInUseError(Exception):
    """Another process uses the folder; the text says which, and what to do."""


def claim(folder: Path, purpose: str) -> IO[str]:
    """Lock *folder* for this process and make it private; raise `FolderInUseError`.

    The lock ends when the returned file is closed.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)  # it holds the settings with their secrets
    path = folder / "lock"
    path.touch(mode=0o600)
    path.chmod(0o600)
    file = path.open("a+", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        holder = file.read().strip() or "another process"
        file.close()
        raise FolderInUseError(
            f"{folder} is in use by {holder}: stop that one first, or give this one its own SEVENGATE_DATA_DIR"
        ) from None
    file.truncate(0)
    file.write(f"process {os.getpid()} ({purpose})")
    file.flush()
    return file


def empty(folder: Path, purpose: str, *, but: Container[str] = ()) -> None:
    """Remove what an earlier run left in *folder*, *but* some names; raise `FolderInUseError`."""
    with claim(folder, purpose):
        for path in folder.iterdir():
            if path.name != "lock" and path.name not in but:
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def write_private(path: Path, text: str) -> None:
    """Write *text*, which may hold a password, so that only its owner can read it."""
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(text, encoding="utf-8")


def known_redis() -> str:
    """Return the bus that the environment names, or that of the stack that runs here; empty without one."""
    environment = Environment()
    return environment.redis_url if is_set("REDIS_URL") else running_redis(environment.data_dir)


def is_set(name: str) -> bool:
    """Return whether the environment sets SEVENGATE_*name* or SEVENGATE_*name*_FILE."""
    return any(os.environ.get(f"SEVENGATE_{name}{suffix}") for suffix in ("", "_FILE"))


def running_redis(data_dir: Path) -> str:
    """Return the address of the bus of the stack that runs on *data_dir*, or of its demo; empty without one."""
    return _address(data_dir, BUS_ADDRESS)


def running_api(data_dir: Path) -> str:
    """Return the address of the API of the stack that runs on *data_dir*, or of its demo; empty without one."""
    return _address(data_dir, API_ADDRESS)


def running_database(data_dir: Path) -> str:
    """Return the address of the database of the stack that runs on *data_dir* itself; empty without one."""
    with suppress(OSError):
        return (data_dir / DATABASE_ADDRESS).read_text(encoding="utf-8")
    return ""


def instance(data_dir: Path) -> str:
    """Return the id of the database that *data_dir* has had; empty where it had none."""
    with suppress(OSError):
        return (data_dir / INSTANCE).read_text(encoding="ascii").strip()
    return ""


def _address(data_dir: Path, name: str) -> str:
    for folder in (data_dir, data_dir / "demo"):
        with suppress(OSError):
            return (folder / name).read_text(encoding="utf-8")
    return ""
