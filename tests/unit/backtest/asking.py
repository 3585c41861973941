"""The commands as a person asks them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from typer import Typer
from typer.testing import CliRunner, Result

#: thresholds so low that generated bars give signals
LOW: Final = ("thresholds.score=45", "thresholds.fmqs=30", "thresholds.groups=2", "thresholds.timeframes=1")
SET: Final = [word for change in LOW for word in ("--set", change)]


def asked(app: Typer, bars: Path | None, *words: str) -> Result:
    """Return what the command answers."""
    where = ["--bars", str(bars)] if bars is not None else []
    return CliRunner().invoke(app, [*where, "--workers", "1", *words])


def refusal(app: Typer, bars: Path | None, *words: str) -> str:
    """Return the one sentence with which the command refuses, its lines joined."""
    answer = asked(app, bars, *words)
    assert answer.exit_code == 1
    return " ".join(answer.stderr.split())
