"""The overrides: settings that were changed on top of config.yaml; pure.

A change is a JSON merge patch in which null means "as config.yaml says".  Folded together, the
changes are the overrides; the overrides on top of the file are the settings.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import reduce
from typing import Any, Final

from shared.config.config_file import merge

Values = Mapping[str, Any]
ABSENT: Final = object()


def fold(patches: Iterable[Values]) -> dict[str, Any]:
    """Return the overrides after *patches*, in their order."""
    return reduce(_fold, patches, {})


def _fold(overrides: Values, patch: Values) -> dict[str, Any]:
    folded = dict(overrides)
    for key, change in patch.items():
        if change is None:
            folded.pop(key, None)
            continue
        if isinstance(change, Mapping):
            held = folded.get(key)
            change = _fold(held if isinstance(held, Mapping) and not _replaces(held, change) else {}, change)  # noqa: PLW2901
        folded[key] = change
    return folded


def apply(values: Values, overrides: Values) -> dict[str, Any]:
    """Return *values*, of config.yaml, with *overrides* applied.

    A destination with another channel replaces the file's; parts of one that the file no longer has are dropped.
    """
    kept, changed = dict(values), dict(overrides)
    mine, theirs = values.get("destinations"), overrides.get("destinations")
    mine = mine if isinstance(mine, Mapping) else {}
    if isinstance(theirs, Mapping):
        replaced = {name for name, change in theirs.items() if _replaces(mine.get(name), change)}
        kept["destinations"] = {name: held for name, held in mine.items() if name not in replaced}
        changed["destinations"] = {
            name: change
            for name, change in theirs.items()
            if name in mine or not isinstance(change, Mapping) or "channel" in change
        }
    return merge(kept, changed)


def _replaces(held: Any, change: Any) -> bool:
    """Return whether *change* makes another channel of the destination *held*."""
    if not isinstance(held, Mapping) or not isinstance(change, Mapping):
        return False
    return "channel" in held and "channel" in change and held["channel"] != change["channel"]


def leaves(values: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield every value that is not a section, with its path."""
    if isinstance(values, Mapping) and (values or not path):
        for key, value in values.items():
            yield from leaves(value, (*path, str(key)))
    else:
        yield path, values


def differences(before: Values, after: Values) -> list[tuple[str, Any, Any]]:
    """Return (path, before, after) of every value that differs; None stands for one that is absent."""
    old, new = dict(leaves(before)), dict(leaves(after))
    paths = sorted(path for path in old.keys() | new.keys() if old.get(path, ABSENT) != new.get(path, ABSENT))
    return [(".".join(path), old.get(path), new.get(path)) for path in paths]


def at(values: Any, path: Iterable[str]) -> Any:
    """Return the value at *path*, `ABSENT` without one."""
    for key in path:
        if not isinstance(values, Mapping) or key not in values:
            return ABSENT
        values = values[key]
    return values
