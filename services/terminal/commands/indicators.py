"""`sevengate indicators`: every catalogue indicator over a file of klines.

The analyzer computes them, in a process of its own: services do not import each other.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Annotated, Final

import typer

ROOT: Final = Path(__file__).parents[3]
PROGRAM: Final = "services.terminal.local.processes.program"


def command(file: Path, interval: str | None, series: Path | None, *, allow_gaps: bool, json: bool) -> list[str]:
    """Return the analyzer's command line."""
    words = [
        sys.executable,
        "-m",
        PROGRAM,
        "services.analyzer.export",
        str(file.resolve()),
    ]
    words += ["--interval", interval] if interval else []
    words += ["--series", str(series.resolve())] if series else []
    words += ["--allow-gaps"] if allow_gaps else []
    return words + (["--json"] if json else [])


def indicators(
    file: Annotated[
        Path,
        typer.Argument(help="A CSV of klines; columns are found by their headings, else as the exchange has them."),
    ],
    interval: Annotated[str | None, typer.Option(help="5m, 15m, 1h, 4h, …; else found from the times.")] = None,
    allow_gaps: Annotated[bool, typer.Option("--allow-gaps", help="Go on where bars are missing.")] = False,
    series: Annotated[Path | None, typer.Option(help="Write every value of every series to this CSV.")] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object instead of a table.")] = False,
) -> None:
    """Show every indicator's newest value over a file of klines, to check against any other tool."""
    words = command(file, interval, series, allow_gaps=allow_gaps, json=json)
    raise typer.Exit(subprocess.run(words, check=False, cwd=ROOT).returncode)
