"""`sevengate history`: keep five-minute bars, import the exchange's dumps, say what is there.

The store belongs to the fetcher; as with every service, it is started as a process of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Final

import typer

PROGRAM: Final = "services.fetcher.history_command"
app = typer.Typer(help="Five-minute history in monthly parquet files.", no_args_is_help=True)

Folder = Annotated[Path | None, typer.Option(help="Folder of the history; default: history in the data folder.")]


def _run(arguments: list[str], folder: Path | None, more: Mapping[str, str] = MappingProxyType({})) -> None:
    where = ["--folder", str(folder)] if folder else []
    command = [sys.executable, "-m", PROGRAM, *arguments, *where]
    raise typer.Exit(subprocess.run(command, env={**os.environ, **more}, check=False).returncode)


@app.command()
def record(
    folder: Folder = None,
    scans: Annotated[int, typer.Option(help="Stop after so many scans; 0: go on.")] = 0,
) -> None:
    """Keep the bars, open interest, ratios and funding of every scan that is on the bus."""
    from services.terminal.house import NO_BUS, known_redis  # noqa: PLC0415 so that --help is quick

    url = known_redis()
    if not url:
        typer.echo(f"sevengate: {NO_BUS}", err=True)
        raise typer.Exit(1)
    _run(["record", "--scans", str(scans)], folder, {"SEVENGATE_REDIS_URL": url})


@app.command("import")
def import_dumps(
    files: Annotated[list[Path], typer.Argument(help="SYMBOL-5m-….csv or .zip, as data.binance.vision has them.")],
    folder: Folder = None,
    symbol: Annotated[str, typer.Option(help="The symbol, where the file's name does not tell it.")] = "",
) -> None:
    """Import five-minute klines of the exchange's public dumps."""
    _run(["import", *(str(file) for file in files), *(["--symbol", symbol] if symbol else [])], folder)


@app.command("list")
def list_months(folder: Folder = None) -> None:
    """List the months that are kept, with their holes."""
    _run(["list"], folder)


if __name__ == "__main__":
    app()
