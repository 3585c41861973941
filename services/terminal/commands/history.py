"""`sevengate history`: record five-minute bars, fetch or import the exchange's dumps, export and list them.

The store belongs to the fetcher; as with every service, its program is a process of its own: this
one turns into it, so that Ctrl-C and SIGTERM reach it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Final

import typer

PROGRAM: Final = ("services.terminal.local.processes.program", "services.fetcher.history")
app = typer.Typer(help="Five-minute history in monthly parquet files.", no_args_is_help=True)

Folder = Annotated[Path | None, typer.Option(help="Folder of the history; default: history in the data folder.")]


def _become(arguments: list[str], folder: Path | None, more: Mapping[str, str] = MappingProxyType({})) -> None:
    where = ["--folder", str(folder)] if folder else []
    command = [sys.executable, "-m", *PROGRAM, arguments[0], *where, *arguments[1:]]
    os.execve(command[0], command, {**os.environ, **more})  # noqa: S606 there is nothing of a shell's to expand


@app.command()
def record(
    folder: Folder = None,
    scans: Annotated[int, typer.Option(min=0, help="Stop after so many scans; 0: go on.")] = 0,
) -> None:
    """Keep the bars, open interest, ratios and funding of every scan that is on the bus; written once an hour."""
    from services.terminal.local.data_folder import NO_BUS, known_redis

    url = known_redis()
    if not url:
        typer.echo(f"sevengate: {NO_BUS}", err=True)
        raise typer.Exit(1)
    _become(["record", "--scans", str(scans)], folder, {"SEVENGATE_REDIS_URL": url})


@app.command()
def fetch(
    symbols: Annotated[list[str], typer.Argument(help="btc, ETHUSDT, …; coins that are delisted too.")],
    folder: Folder = None,
    first: Annotated[str, typer.Option("--from", help="YYYY-MM; default: the last three months.")] = "",
    last: Annotated[str, typer.Option("--to", help="YYYY-MM; default: this month, up to yesterday.")] = "",
    only: Annotated[list[str], typer.Option(help="bars, metrics or funding; default: all three.")] = [],  # noqa: B006
    parallel: Annotated[int, typer.Option(min=1, max=16, help="Files at a time.")] = 4,
) -> None:
    """Download the public archive: five-minute bars with taker flow, metrics, funding.  Run it again to go on."""
    options = [*("--parallel", str(parallel)), *(word for name in only for word in ("--only", name))]
    options += [*(["--from", first] if first else []), *(["--to", last] if last else [])]
    _become(["fetch", *options, "--", *symbols], folder)


@app.command("import")
def import_dumps(
    files: Annotated[
        list[Path],
        typer.Argument(help="SYMBOL-5m-….csv or .zip, SYMBOL-metrics-…, SYMBOL-fundingRate-…, unchanged."),
    ],
    folder: Folder = None,
    symbol: Annotated[str, typer.Option(help="The symbol, where the file's name does not contain it.")] = "",
    stamps: Annotated[str, typer.Option(help="What stamps of metrics mean where a file leaves it open.")] = "",
) -> None:
    """Import the public dumps of data.binance.vision: klines (5m, 15m, 1h, 4h), futures metrics, funding rates."""
    options = [*(["--symbol", symbol] if symbol else []), *(["--stamps", stamps] if stamps else [])]
    _become(["import", *options, "--", *(str(file) for file in files)], folder)


@app.command("export")
def export_bars(
    symbol: str,
    file: Annotated[Path, typer.Argument(help="….csv in the exchange's columns, or ….parquet.")],
    folder: Folder = None,
    interval: Annotated[str, typer.Option(help="5m, 15m, 1h or 4h.")] = "5m",
) -> None:
    """Write the bars of a symbol to one file: for `indicators`, for `simulator --replay`, for any other tool."""
    _become(["export", "--interval", interval, "--", symbol, str(file)], folder)


@app.command("list")
def list_months(
    folder: Folder = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """List the months that are kept, with their holes."""
    _become(["list", *(["--json"] if as_json else [])], folder)


if __name__ == "__main__":
    app()
