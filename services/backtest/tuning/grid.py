"""The combinations of settings that `--vary` asks for; every mistake becomes a sentence."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from services.backtest import request
from services.backtest.request import RequestError
from shared.settings import RuntimeSettings

PARTS: Final = ("thresholds", "symbol_thresholds", "analysis", "lifecycle")
MOST: Final = 64  #: combinations
EXAMPLE: Final = "--vary thresholds.score=60,65,70"


@dataclass(frozen=True)
class Combination:
    """One set of settings, and the values in which it may differ from the present ones."""

    values: dict[str, Any]  #: by path; empty: the present settings
    settings: RuntimeSettings

    @property
    def name(self) -> str:
        """The values in words."""
        return ", ".join(f"{path}={_text(value)}" for path, value in self.values.items()) or "present settings"


def combinations(config: Path, changes: Sequence[str], vary: Sequence[str]) -> list[Combination]:
    """Return the present settings (*config* with *changes*) and then every other combination of *vary*.

    Raises `RequestError`, and `ConfigError` for the file's mistakes.
    """
    present = request.settings(config, changes)
    axes = _axes(vary)
    count = 1
    for values in axes.values():
        count *= len(values)
    if count > MOST:
        raise RequestError(f"--vary: {count} combinations are more than {MOST}: ask for fewer values")
    found = [Combination({}, present)]
    for chosen in itertools.product(*axes.values()):
        own = dict(zip(axes, chosen, strict=True))
        words = [f"{path}={json.dumps(value)}" for path, value in own.items()]
        settings = request.settings(config, [*changes, *words], option="--vary")
        if all(settings != one.settings for one in found):
            found.append(Combination(own, settings))
    if len(found) == 1:
        raise RequestError("--vary: these are the present settings, there is nothing to compare them with")
    return found


def _axes(vary: Sequence[str]) -> dict[str, list[Any]]:
    """Return the values of each path."""
    if not vary:
        raise RequestError(f"--vary is missing: what to try, such as {EXAMPLE}")
    axes: dict[str, list[Any]] = {}
    for text in vary:
        path, _, listed = text.partition("=")
        if not listed.strip() or not all(path.split(".")):
            raise RequestError(f"--vary {text!r}: it is written {EXAMPLE.removeprefix('--vary ')}")
        if path.split(".")[0] not in PARTS:
            raise RequestError(f"--vary {path}: what can be tuned is under {', '.join(PARTS)}")
        if path in axes:
            raise RequestError(f"--vary {path}: it is there twice; list its values once, by comma")
        axes[path] = _values(path, listed)
    return axes


def _values(path: str, listed: str) -> list[Any]:
    try:
        found = yaml.safe_load(f"[{listed}]")
        json.dumps(found, allow_nan=False)
    except (yaml.YAMLError, ValueError, TypeError):
        raise RequestError(f"--vary {path}: {listed!r} is no list of values by comma") from None
    return list(found)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
