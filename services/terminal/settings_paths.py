"""`config get` and `config set`: one value of the settings by its dotted path."""

from __future__ import annotations

from typing import Any

import yaml


class PathError(Exception):
    """The path leads nowhere."""


def value_at(settings: dict[str, Any], path: str) -> Any:
    """Return what stands at *path* (``thresholds.score``); the whole for an empty path."""
    found: Any = settings
    for part in path.split(".") if path else ():
        if not isinstance(found, dict) or part not in found:
            raise PathError(f"there is no setting {path!r}")
        found = found[part]
    return found


def change_at(path: str, text: str) -> dict[str, Any]:
    """Return the nested change that sets *path* to *text*, which is read as YAML."""
    change: Any = yaml.safe_load(text)
    for part in reversed(path.split(".")):
        if not part:
            raise PathError(f"{path!r} is not a path of a setting")
        change = {part: change}
    return dict(change)
