"""The history's own command line, which `sevengate history` turns into."""

from __future__ import annotations

import asyncio
import json
import signal
from dataclasses import asdict
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import pandas as pd
import typer
from redis.exceptions import RedisError
from rich.console import Console
from rich.table import Table

from services.fetcher.dumps import read_dump, symbol_of, write_dump
from services.fetcher.history import BadFileError, History, Month, write_atomically
from services.fetcher.recording import Recorder, record
from shared.bus import RedisBus
from shared.contracts import COLUMNS, INTERVALS
from shared.settings import Environment

app = typer.Typer(no_args_is_help=True)
Folder = Annotated[Path | None, typer.Option()]


def _history(folder: Path | None) -> History:
    return History(folder or Environment().data_dir / "history")


def bus_name(url: str) -> str:
    """Return *url* without its password."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port}"


@app.command("record")
def record_scans(folder: Folder = None, scans: int = 0) -> None:
    """Follow the bus; Ctrl-C and SIGTERM write what waits first."""
    environment = Environment()
    recorder = Recorder(_history(folder))

    async def follow() -> None:
        bus, stopping = RedisBus(environment.redis_url, environment.market), asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stopping.set)
        try:
            await record(bus, recorder, stopping, scans=scans, tell=typer.echo)
        finally:
            await bus.close()

    try:
        asyncio.run(follow())
    except (RedisError, OSError) as error:
        typer.echo(f"not recorded: the bus at {bus_name(environment.redis_url)}: {error}", err=True)
        raise typer.Exit(1) from None
    raise typer.Exit(int(recorder.unwritten))


@app.command("import")
def import_dumps(files: list[Path], folder: Folder = None, symbol: str = "") -> None:
    """Import dumps; a bad one is named and the others are imported all the same."""
    failed = False
    for path in files:
        try:
            dump = read_dump(path)
            name = symbol.upper() or symbol_of(path)
            new = _history(folder).merge(name, dump.rows, dump.interval)
            typer.echo(f"{path.name}: {len(dump.rows)} rows, {new} new ones of {name} {dump.interval}")
        except (BadFileError, OSError) as error:
            typer.echo(f"not imported: {error}", err=True)
            failed = True
    raise typer.Exit(int(failed))


@app.command("export")
def export_bars(symbol: str, file: Path, folder: Folder = None, interval: str = "5m") -> None:
    """Write the bars of a symbol to one file."""
    history, name = _history(folder), symbol.upper()
    try:
        length = next((one for one in INTERVALS if one == interval), None)
        if length is None:
            raise BadFileError(f"bars of {interval} are not kept, those of {', '.join(INTERVALS)} are")
        bars = history.bars(name, length)
        if not bars.shape[1]:
            raise BadFileError(f"no bars of {name} {length} in {history.folder}; `history list` shows what there is")
        if file.suffix == ".parquet":
            write_atomically(file, pd.DataFrame(bars.T, columns=list(COLUMNS)).astype({"open_time": "int64"}))
        elif file.suffix == ".csv":
            write_dump(file, bars, length)
        else:
            raise BadFileError(f"{file.name}: neither .csv nor .parquet")
    except (BadFileError, OSError) as error:
        typer.echo(f"not exported: {error}", err=True)
        raise typer.Exit(1) from None
    typer.echo(f"{file}: {bars.shape[1]} bars of {name} {length}")


@app.command("list")
def list_months(folder: Folder = None, as_json: Annotated[bool, typer.Option("--json")] = False) -> None:
    """Print a table, or a JSON object a line."""
    history = _history(folder)
    try:
        months = list(history.months())
    except BadFileError as error:
        typer.echo(f"sevengate: {error}", err=True)
        raise typer.Exit(1) from None
    if as_json:
        for month in months:
            typer.echo(_line(month))
        return
    table = Table("symbol", "bars of", "month", "bars", "missing")
    for month in months:
        table.add_row(month.symbol, month.interval, month.month, str(month.bars), str(month.missing))
    Console().print(table if table.row_count else f"no history in {history.folder}")


def _line(month: Month) -> str:
    return json.dumps(asdict(month) | {"path": str(month.path), "missing": month.missing}, ensure_ascii=False)


if __name__ == "__main__":
    app()
