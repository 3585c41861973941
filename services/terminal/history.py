"""`sevengate history`: keep five-minute bars, import the exchange's dumps, say what is there.

The store belongs to the fetcher; as with every service, it is started as a process of its own.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Annotated, Final

import typer

PROGRAM: Final = "services.fetcher.history_command"
app = typer.Typer(help="Five-minute history in monthly parquet files.", no_args_is_help=True)

Folder = Annotated[Path | None, typer.Option(help="Folder of the history; default: history in the data folder.")]


def _run(arguments: list[str], folder: Path | None) -> None:
    where = ["--folder", str(folder)] if folder else []
    raise typer.Exit(subprocess.run([sys.executable, "-m", PROGRAM, *arguments, *where], check=False).returncode)


@app.command()
def record(
    folder: Folder = None,
    scans: Annotated[int, typer.Option(help="Stop after so many scans; 0: go on.")] = 0,
) -> None:
    """Keep the bars, open interest, ratios and funding of every scan that is on the bus."""
    _run(["record", "--scans", str(scans)], folder)


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
