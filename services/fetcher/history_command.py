"""The history's own command line, which `sevengate history` starts."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer
from redis.exceptions import RedisError
from rich.console import Console
from rich.table import Table

from services.fetcher.history import BadDumpError, History, read_dump, record, symbol_of
from shared.bus import RedisBus
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
    """Follow the bus."""
    environment = Environment()

    async def follow() -> int:
        bus = RedisBus(environment.redis_url, environment.market)
        try:
            return await record(bus, _history(folder), scans=scans)
        finally:
            await bus.close()

    try:
        typer.echo(f"{asyncio.run(follow())} new bars")
    except KeyboardInterrupt:
        typer.echo("stopped")
    except (RedisError, OSError) as error:
        typer.echo(f"not recorded: the bus at {bus_name(environment.redis_url)}: {error}", err=True)
        raise typer.Exit(1) from None


@app.command("import")
def import_dumps(files: list[Path], folder: Folder = None, symbol: str = "") -> None:
    """Import dumps; a bad one is named and the others are imported all the same."""
    failed = False
    for path in files:
        try:
            rows = read_dump(path)
            name = symbol or symbol_of(path)
            typer.echo(f"{path.name}: {_history(folder).merge(name, rows)} new bars of {name}")
        except (BadDumpError, OSError) as error:
            typer.echo(f"not imported: {error}", err=True)
            failed = True
    raise typer.Exit(int(failed))


@app.command("list")
def list_months(folder: Folder = None) -> None:
    """Print a table."""
    history = _history(folder)
    table = Table("symbol", "month", "bars", "missing")
    for month in history.months():
        table.add_row(month.symbol, month.month, str(month.bars), str(month.missing))
    Console().print(table if table.row_count else f"no history in {history.folder}")


if __name__ == "__main__":
    app()
