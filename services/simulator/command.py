"""The simulator's command line."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer
import uvloop

from services.simulator.clock_file import KeptClock
from services.simulator.faults import faults
from services.simulator.instruments import BAR_MS
from services.simulator.market.seeded import SeededMarket
from services.simulator.market.tape import NoBarsError, Source
from services.simulator.protocol import encode
from services.simulator.protocol.server import ServerOptions, Simulator
from shared.contracts import HOUR_MS
from shared.moment import moment

FIRST_DAY = "2026-01-12T13:00:00Z"
LISTING = "\n\n".join(f"{name}: {meaning} (feed fault {entry})" for name, (entry, meaning) in faults.KINDS.items())


Port = Annotated[int, typer.Option(min=0, max=65_535, help="Port to listen on; 0 takes a free one and prints it.")]
Host = Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 in a container.")]
Symbols = Annotated[int, typer.Option(min=1, max=1_000, help="How many tradable contracts (with --replay: at most).")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of the market; the same seed and start give the same bars.")]
Speed = Annotated[float, typer.Option(min=0.0, help="How many times faster than real the clock runs; 0: lockstep.")]
Lockstep = Annotated[bool, typer.Option("--lockstep", help="The clock stands until POST /sim/step.")]
Start = Annotated[str, typer.Option(help="Where the clock starts: ISO 8601 or UNIX ms.")]
Replay = Annotated[
    Path | None,
    typer.Option(exists=True, file_okay=False, help="Folder of recorded five-minute bars, parquet or CSV."),
]
NoLimits = Annotated[bool, typer.Option("--no-limits", help="Count requests, refuse none.")]
SocketHours = Annotated[
    float, typer.Option(min=0.01, help="Age, by the exchange's clock, at which a WebSocket is cut.")
]
CloseSpread = Annotated[
    float, typer.Option(min=0.0, max=10.0, help="Wall seconds over which a close's closed frames go out, coin by coin.")
]
ClockFile = Annotated[
    Path | None, typer.Option(dir_okay=False, help="Where the clock is kept, so that a restart goes on from there.")
]
Fault = Annotated[list[str] | None, typer.Option(help="NAME[:SYMBOL][:SECONDS], may be repeated; the names are below.")]


def simulate(
    *,
    port: Port = 0,
    host: Host = "127.0.0.1",
    symbols: Symbols = 50,
    seed: Seed = 1,
    speed: Speed = 1.0,
    lockstep: Lockstep = False,
    start: Start = "",
    replay: Replay = None,
    no_limits: NoLimits = False,
    socket_hours: SocketHours = 24.0,
    close_spread: CloseSpread = 0.0,
    clock_file: ClockFile = None,
    fault: Fault = None,
) -> None:
    """An exchange that looks like Binance USD-M: seeded or recorded market, any clock speed, faults."""
    pace = 0.0 if lockstep else speed
    try:
        played = tuple(faults.parse(text) for text in fault or ())
        source, begin = prepare(symbols, seed, start, replay, lockstep=pace == 0)
    except ValueError as error:  # of a fault, the time or the recorded bars
        raise typer.BadParameter(str(error)) from error
    kept = None if clock_file is None else KeptClock(clock_file)
    if clock_file is not None and not os.access(clock_file.parent, os.W_OK):
        raise typer.BadParameter(f"--clock-file: the folder {clock_file.parent} cannot be written")
    options = ServerOptions(
        start=begin if kept is None else kept.resumed(begin, source.end, pace),
        speed=pace,
        limits=not no_limits,
        socket_ms=int(socket_hours * HOUR_MS),
        faults=played,
        kept=kept,
        spread=close_spread,
    )
    uvloop.run(serve(source, options, host, port))


def prepare(symbols: int, seed: int, start: str, replay: Path | None, *, lockstep: bool) -> tuple[Source, int]:
    """Return the market and the time at which the clock starts."""
    source: Source
    if replay is not None:
        from services.simulator.market.replay import RecordedMarket  # noqa: PLC0415  pandas takes its time to import

        source = RecordedMarket(replay, symbols)
        begin = moment(start) if start else source.default_start
    else:
        begin = moment(start or FIRST_DAY)
        source = SeededMarket(symbols, seed, begin)
    if not source.genesis <= begin < (source.end or sys.maxsize):
        raise NoBarsError("--start lies outside the recorded bars")
    return source, begin // BAR_MS * BAR_MS if lockstep else begin


async def serve(source: Source, options: ServerOptions, host: str, port: int) -> None:
    """Serve until a signal asks to stop."""
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    simulator = Simulator(source, options)
    try:
        bound = await simulator.open(
            host, port, broken=stopping.set
        )  # a stopped exchange must not look like a running one
    except OSError as error:
        raise SystemExit(f"sevengate: cannot listen on {host}:{port}: {error.strerror}") from None
    listening = {
        "event": "listening",
        "url": f"http://{host}:{bound}",
        "websocket": f"ws://{host}:{bound}",
        "port": bound,
        "symbols": len(source.contracts),
        "speed": options.speed,
        "lockstep": options.speed == 0,
        "now": simulator.exchange.now(),
    }
    print(encode.dumps(listening), flush=True)
    await stopping.wait()
    await simulator.close()


def main() -> None:
    """Run the command line."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    app.command(epilog=f"Faults:\n\n{LISTING}")(simulate)
    app(prog_name="sevengate simulator")
