"""`config get` and `config set`: one value of the settings by its dotted path."""

from __future__ import annotations

import json
from typing import Any

import yaml


class PathError(Exception):
    """The settings have no such path, or the new text is no value."""


def value_at(settings: dict[str, Any], path: str) -> Any:
    """Return the value at *path* (``thresholds.score``); all settings for an empty path."""
    found: Any = settings
    for part in path.split(".") if path else ():
        if not isinstance(found, dict) or part not in found:
            raise PathError(f"there is no setting {path!r}")
        found = found[part]
    return found


def change_at(path: str, text: str) -> dict[str, Any]:
    """Return the nested change that sets *path* to *text*, which is read as YAML."""
    try:
        # as JSON has it: dates are texts, and nothing is not a number
        change: Any = json.loads(json.dumps(yaml.safe_load(text), default=str, allow_nan=False))
    except (yaml.YAMLError, ValueError) as error:
        raise PathError(f"{text!r} is no value: {' '.join(str(error).split())}") from error
    whole: dict[str, Any] = {}
    put(whole, path, change)
    return whole


def put(change: dict[str, Any], path: str, value: Any) -> None:
    """Set *path* of *change* to *value*; raise `PathError` where it is no path."""
    *parents, last = path.split(".")
    if not all((*parents, last)):
        raise PathError(f"{path!r} is not a path of a setting")
    for part in parents:
        change = change.setdefault(part, {})
    change[last] = value
