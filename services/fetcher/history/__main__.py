"""The history's own command line, which `sevengate history` turns into."""

from __future__ import annotations

import asyncio
import json
import signal
from dataclasses import asdict
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import pandas as pd
import typer
from redis.exceptions import RedisError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from services.fetcher.history.archive import OFF_GRID_MS, Dump, read_dump, symbol_of, write_dump
from services.fetcher.history.download import ArchiveClient, ArchiveError
from services.fetcher.history.fetch import BadPlanError, Fetch, FetchPlan, FetchReport, plan_of
from services.fetcher.history.history_recorder import HistoryRecorder, record
from services.fetcher.history.metrics_stamps import SHIFT_MS
from services.fetcher.history.store import REAL, BadFileError, History, HistoryMonth, write_atomically
from shared.bus import RedisBus
from shared.config.environment import Environment
from shared.contracts import COLUMNS, INTERVALS
from shared.network.proxies import ProxyError

app = typer.Typer(no_args_is_help=True)
Folder = Annotated[Path | None, typer.Option()]


def _history(folder: Path | None) -> History:
    return History(folder or Environment().data_dir / "history")


def bus_name(url: str) -> str:
    """Return *url* without its password."""
    return urlsplit(url).netloc.rpartition("@")[2]


@app.command("record")
def record_scans(folder: Folder = None, scans: int = 0) -> None:
    """Follow the bus; Ctrl-C and SIGTERM write what waits first."""
    environment = Environment()
    recorder = HistoryRecorder(_history(folder))

    async def follow() -> None:
        bus, stopping = RedisBus(environment.redis_url, environment.market), asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stopping.set)
        try:
            await record(bus, recorder, stopping, scans=scans, report=typer.echo)
        finally:
            await bus.close()

    try:
        asyncio.run(follow())
    except BadFileError as error:
        typer.echo(f"not recorded: {error}", err=True)
        raise typer.Exit(1) from None
    except (RedisError, OSError) as error:
        typer.echo(f"not recorded: the bus at {bus_name(environment.redis_url)}: {error}", err=True)
        raise typer.Exit(1) from None
    raise typer.Exit(int(recorder.unwritten))


@app.command("import")
def import_dumps(
    files: list[Path], folder: Folder = None, symbol: str = "", stamps: Annotated[str, typer.Option()] = ""
) -> None:
    """Import dumps; a bad one is reported and the others are imported."""
    failed = False
    rule = next((one for one in SHIFT_MS if one == stamps), None)
    if stamps and rule is None:
        typer.echo(f"sevengate: --stamps {stamps}: it is end or beginning", err=True)
        raise typer.Exit(2)
    for path in files:
        try:
            dump = read_dump(path, stamps=rule)
            name = symbol.upper() or symbol_of(path)
            history = _history(folder)
            history.claim(REAL)
            new = history.merge(name, dump.rows, dump.interval, stamps=dump.stamps)
            read = "".join(f", stamps are the {read_as} of five minutes" for read_as in dump.stamps.values())
            typer.echo(
                f"{path.name}: {len(dump.rows)} rows, {new} new ones of {name} {dump.interval}{read}{_left_out(dump)}"
            )
        except (BadFileError, OSError) as error:
            typer.echo(f"not imported: {error}", err=True)
            failed = True
    raise typer.Exit(int(failed))


def _left_out(dump: Dump) -> str:
    """Return how many rows were not taken, and why; empty without any."""
    seconds = OFF_GRID_MS // 1_000
    return f"; {dump.off_grid} left out: more than {seconds} s off the five-minute grid" if dump.off_grid else ""


@app.command("fetch")
def fetch_archive(
    symbols: list[str],
    folder: Folder = None,
    first: Annotated[str, typer.Option("--from")] = "",
    last: Annotated[str, typer.Option("--to")] = "",
    only: Annotated[list[str], typer.Option()] = [],  # noqa: B006 typer takes no tuple here
    parallel: Annotated[int, typer.Option(min=1, max=16)] = 4,
) -> None:
    """Load months of the archive; Ctrl-C keeps what is there, and the same command goes on."""
    today = datetime.now(UTC).date()
    try:
        plan = plan_of(symbols, first, last, only, today)
        history = _history(folder)
        history.claim(REAL)
        report = asyncio.run(_fetch(history, plan, parallel, today))
    except KeyboardInterrupt:
        typer.echo("stopped: what was loaded is kept; the same command goes on from here", err=True)
        raise typer.Exit(130) from None
    except (BadPlanError, BadFileError, ArchiveError, ProxyError, OSError) as error:
        typer.echo(f"not fetched: {error}", err=True)
        raise typer.Exit(2 if isinstance(error, BadPlanError) else 1) from None
    for symbol, rows in sorted(report.new.items()):
        typer.echo(f"{symbol}: {rows:,} new rows")
    typer.echo(f"{report.loaded} files loaded, {report.held} were there already: {history.folder}")
    for sentence in report.sentences(today):
        typer.echo(sentence, err=True)
    raise typer.Exit(int(bool(report.refused) or not (report.loaded or report.held)))


async def _fetch(history: History, plan: FetchPlan, parallel: int, today: date) -> FetchReport:
    client = ArchiveClient(Environment().binance_archive_url, parallel=parallel)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("files", total=plan.files(today))
        run = Fetch(history, client, today=today, kinds=plan.kinds, advance=lambda count: bar.advance(task, count))
        try:
            return await run.run(plan.steps)
        finally:
            await client.close()


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


def _line(month: HistoryMonth) -> str:
    return json.dumps(asdict(month) | {"path": str(month.path), "missing": month.missing}, ensure_ascii=False)


if __name__ == "__main__":
    app()
