"""`.env` beside config.yaml, as Compose reads it; the environment wins."""

from __future__ import annotations

from collections.abc import MutableMapping
from pathlib import Path

from dotenv import dotenv_values


def read(path: Path, variables: MutableMapping[str, str]) -> None:
    """Add to *variables* those SEVENGATE_… and …_PROXY variables of *path* that it lacks; the file may be absent."""
    for name, value in dotenv_values(path).items():
        if value is not None and name not in variables and _is_ours(name):
            variables[name] = value


def _is_ours(name: str) -> bool:
    return name.startswith("SEVENGATE_") or name.upper().endswith("_PROXY")
