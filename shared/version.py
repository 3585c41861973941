"""The version of Sevengate."""

from __future__ import annotations

import tomllib
from functools import lru_cache
from pathlib import Path


@lru_cache
def version() -> str:
    """Return the project's version, as pyproject.toml says it."""
    with (Path(__file__).parents[1] / "pyproject.toml").open("rb") as file:
        return str(tomllib.load(file)["project"]["version"])
