"""The installation's own secrets: files of mode 0600 in the data folder, made by the API at its first start.

Whoever can read ``api-token`` may use the API of this machine as its owner: the command line and the
services that share the folder; the browser that the command line opens gets it in the address'
fragment, which no server sees.  With ``settings-key`` the secrets among the settings are sealed
before they travel on the bus (`shared.config.sealing`).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from shared.config import lasting_file

TOKEN: Final = "api-token"
SETTINGS_KEY: Final = "settings-key"


def read(data_dir: Path, name: str) -> str:
    """Return the secret *name* of the installation in *data_dir*, or of its demo; empty without one."""
    for folder in (data_dir, data_dir / "demo"):
        with suppress(OSError, UnicodeDecodeError):
            return (folder / name).read_text(encoding="ascii").strip()
    return ""


def read_or_make(data_dir: Path, name: str, make: Callable[[], str]) -> tuple[str, bool]:
    """Return the secret *name* of *data_dir*, and whether it was made just now; raise `OSError`."""
    path = data_dir / name
    with suppress(FileNotFoundError):
        if held := path.read_text(encoding="ascii").strip():
            return held, False
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    secret = make()
    lasting_file.write(path, secret)
    return secret, True
