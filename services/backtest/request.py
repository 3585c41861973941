"""The options that `backtest` and `tune` share, and what they mean; every mistake becomes a sentence."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final

import typer
import yaml
from pydantic import ValidationError

from shared.config import config_file
from shared.settings import RuntimeSettings, explain
from shared.symbols import pair_of

#: what a backtest depends on; the rest of the settings has nothing to do with it
PARTS: Final = ("thresholds", "symbol_thresholds", "analysis", "lifecycle", "outcomes")

Bars = Annotated[Path | None, typer.Option(help="Folder of recorded five-minute bars, as for --replay.")]
Funding = Annotated[Path | None, typer.Option(help="Settlements: symbol, funding_time, funding_rate.")]
Since = Annotated[str, typer.Option("--from", help="First day, such as 2025-08-31.")]
Until = Annotated[str, typer.Option("--to", help="Last day, included.")]
Symbols = Annotated[str, typer.Option(help="Coins by comma; else all of the folder.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object.")]
Workers = Annotated[str, typer.Option(help="Processes, 0: one a core; rq: let rq workers analyse first.")]
MOST_WORKERS: Final = 64
RQ: Final = "rq"


class RequestError(ValueError):
    """Something that was asked for does not exist; the message says what to do."""


def folder(bars: Path | None) -> Path:
    """Return the folder that was named."""
    if bars is None:
        raise RequestError("--bars is missing: a folder with a parquet or CSV file a coin, SYMBOL.parquet")
    return bars


def day(text: str, name: str) -> int:
    """Return the UTC midnight of the day *text*, ms."""
    try:
        found = date.fromisoformat(text)
    except ValueError:
        raise RequestError(f"{name} {text!r}: a day is written 2025-08-31") from None
    return int(datetime(found.year, found.month, found.day, tzinfo=UTC).timestamp() * 1_000)


def day_after(text: str, name: str) -> int:
    """Return the end of the day *text*, ms."""
    return day(text, name) + int(timedelta(days=1).total_seconds() * 1_000)


def processes(text: str) -> int:
    """Return how many processes work here."""
    if text in (RQ, "0"):
        return os.cpu_count() or 1
    if not text.isdecimal() or not int(text) <= MOST_WORKERS:
        raise RequestError(f"--workers {text}: it is a number up to {MOST_WORKERS}, or {RQ}")
    return int(text)


def symbols(text: str) -> tuple[str, ...]:
    """Return the symbols in a list by comma; coins' names are resolved."""
    try:
        return tuple(dict.fromkeys(pair_of(part.strip()) for part in text.split(",") if part.strip()))
    except ValueError as error:
        raise RequestError(f"--symbols: {error}") from None


def settings(config: Path, changes: Sequence[str], option: str = "--set") -> RuntimeSettings:
    """Return the settings of *config* with *changes*, each ``thresholds.score=72``, given by *option*.

    Raises `RequestError` naming the change that is none, and `ConfigError` for the file's mistakes.
    """
    values = {name: part for name, part in config_file.load(config).items() if name in PARTS}
    for change in changes:
        path, sign, text = change.partition("=")
        if not sign or not all(path.split(".")):
            raise RequestError(f"{option} {change!r}: it is written thresholds.score=72")
        if path.split(".")[0] not in PARTS:
            raise RequestError(f"{option} {path}: a backtest depends on {', '.join(PARTS)} alone")
        values = config_file.merge(values, _nested(path, text, option))
    try:
        return RuntimeSettings.model_validate(values)
    except ValidationError as error:
        raise RequestError("; ".join(f"{option} {line}" for line in explain(error))) from None


def _nested(path: str, text: str, option: str) -> dict[str, Any]:
    try:
        value: Any = json.loads(json.dumps(yaml.safe_load(text), default=str, allow_nan=False))
    except (yaml.YAMLError, ValueError):
        raise RequestError(f"{option} {path}: {text!r} is no value") from None
    for part in reversed(path.split(".")):
        value = {part: value}
    return dict(value)


def changed(settings: RuntimeSettings) -> dict[str, Any]:
    """Return the settings that differ from those as shipped, by dotted path."""
    shipped, own = (each.model_dump(mode="json") for each in (RuntimeSettings(), settings))
    found: dict[str, Any] = {}
    for name in PARTS:
        _differences(name, shipped[name], own[name], found)
    return found


def _differences(path: str, shipped: Any, own: Any, found: dict[str, Any]) -> None:
    if isinstance(own, dict) and isinstance(shipped, dict):
        for name in {**shipped, **own}:
            _differences(f"{path}.{name}", shipped.get(name), own.get(name), found)
    elif own != shipped:
        found[path] = own
