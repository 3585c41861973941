"""Small files that outlast a power cut: written whole and synced, or not there."""

from __future__ import annotations

import os
from pathlib import Path


def write(path: Path, text: str, *, mode: int = 0o600) -> None:
    """Put *text* in the place *path*, whose folder exists; after a power cut it holds the old text or the new one.

    Raises `OSError`.
    """
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fchmod(file.fileno(), mode)
        os.fsync(file.fileno())
    fresh.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in *folder* last: those that files were given, lost or changed."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
