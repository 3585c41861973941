"""config.yaml: read, merged with the overrides, every mistake reported with its line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from shared.config.mistakes import sentence
from shared.settings import RuntimeSettings

Lines = dict[tuple[str, ...], int]


class ConfigError(Exception):
    """The configuration cannot be used; each of *mistakes* is one readable line."""

    def __init__(self, mistakes: Sequence[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = tuple(mistakes)


def load(path: Path) -> dict[str, Any]:
    """Return the values in *path* after validating them; a missing file means all defaults.

    Raises `ConfigError` naming the file and the line of each mistake.
    """
    if not path.exists():
        return {}
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"{path}: cannot be read: {error}"]) from error
    values, lines = parse(text, str(path))
    try:
        RuntimeSettings.model_validate(values)
    except ValidationError as error:
        raise ConfigError(explain(error, lines, str(path))) from error
    return values


def parse(text: str, name: str = "config.yaml") -> tuple[dict[str, Any], Lines]:
    """Return the values in *text* and the line of each key, counted from 1."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        values = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise ConfigError([f"{name}:{mark.line + 1 if mark else 1}: {error.problem or 'not valid YAML'}"]) from error
    except RecursionError as error:
        raise ConfigError([f"{name}: a part contains itself (an alias `*` inside its own anchor `&`)"]) from error
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date such as 2026-99-99
        raise ConfigError([f"{name}: not valid YAML: {error}"]) from error
    if values is None:
        return {}, {}
    if not isinstance(values, dict):
        raise ConfigError([f"{name}:1: the top level has to be names and values, such as 'thresholds:'"])
    if (line := _line_of_circle(root, ())) is not None:
        raise ConfigError([f"{name}:{line}: this part contains itself (an alias `*` inside its own anchor `&`)"])
    lines: Lines = {}
    repeated: list[str] = []
    _collect(root, (), lines, repeated, name)
    if repeated:
        raise ConfigError(repeated)
    return values, lines


def _line_of_circle(node: Any, above: tuple[Any, ...]) -> int | None:
    """Return the line of a part of *node* that contains itself; *above* are the parts it stands in."""
    if any(node is other for other in above):
        return int(node.start_mark.line) + 1
    children: list[Any] = []
    if isinstance(node, yaml.MappingNode):
        children = [part for pair in node.value for part in pair]
    elif isinstance(node, yaml.SequenceNode):
        children = node.value
    found = (_line_of_circle(child, (*above, node)) for child in children)
    return next((line for line in found if line is not None), None)


def _collect(node: Any, path: tuple[str, ...], lines: Lines, repeated: list[str], name: str) -> None:
    """Note the line of every key and item under *node*, and keys that stand twice (YAML keeps the last)."""
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            line = key.start_mark.line + 1
            if key.value in seen:
                repeated.append(f"{name}:{line}: {'.'.join((*path, key.value))} stands here a second time")
            seen.add(key.value)
            lines[(*path, key.value)] = line
            _collect(value, (*path, key.value), lines, repeated, name)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            lines[(*path, str(index))] = item.start_mark.line + 1
            _collect(item, (*path, str(index)), lines, repeated, name)


def explain(error: ValidationError, lines: Lines, name: str = "config.yaml") -> list[str]:
    """Return one line for each mistake, as they stand in the file: file, line, place and what is wrong."""
    found = [(*_locate([str(part) for part in item["loc"]], lines), sentence(item)) for item in error.errors()]
    return [": ".join(filter(None, (f"{name}:{line}", place, message))) for line, place, message in sorted(found)]


def _locate(path: list[str], lines: Lines) -> tuple[int, str]:
    """Return the line of *path* and its name in the file; of a missing key, the line of what it belongs to."""
    # pydantic's path names the chosen channel of a destination, which the file has not
    shorter = path[:2] + path[3:] if path[:1] == ["destinations"] else path
    for candidate in (path, shorter):
        for length in (len(candidate), len(candidate) - 1):
            if length > 0 and (line := lines.get(tuple(candidate[:length]))) is not None:
                return line, ".".join(candidate)
    return lines.get(tuple(path[:1]), 1), ".".join(path)


def merge(values: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """Return *values* with *patch* applied as a JSON merge patch (RFC 7396): null removes, lists are replaced."""
    merged = dict(values)
    for key, change in patch.items():
        if change is None:
            merged.pop(key, None)
        elif isinstance(change, Mapping):
            held = merged.get(key)
            merged[key] = merge(held if isinstance(held, Mapping) else {}, change)
        else:
            merged[key] = change
    return merged
