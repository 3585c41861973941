"""The command line: every command, its options, and which module does the work."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(
    help="Sevengate: a crypto-futures scanner; seven gates between a chart and your phone.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Seconds = Annotated[float | None, typer.Option("--for", help="Stop after this many seconds.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Show warnings and alerts only.")]
Browser = Annotated[bool, typer.Option("--browser/--no-browser", help="Open the dashboard where there is a browser.")]
Analyzers = Annotated[int, typer.Option(min=1, max=64, help="How many analyzers.")]
Port = Annotated[int, typer.Option(help="The dashboard's port; 0: SEVENGATE_API_PORT, default 8710.")]


def finish(work: Coroutine[Any, Any, int]) -> None:
    """Run *work* and leave with its exit code."""
    raise typer.Exit(asyncio.run(work))


@app.command()
def demo(
    speed: Annotated[float, typer.Option(min=0.1, help="How fast the exchange's clock runs.")] = 300,
    symbols: Annotated[int, typer.Option(min=1, max=600)] = 50,
    seed: int = 7,
    analyzers: Analyzers = 1,
    replay: Annotated[
        Path | None, typer.Option(help="A folder of recorded bars, instead of the seeded market.")
    ] = None,
    lockstep: Annotated[bool, typer.Option(help="Serve the next close only when the last scan has settled.")] = False,
    seconds: Seconds = None,
    as_json: Json = False,
    quiet: Quiet = False,
    browser: Browser = True,
    port: Port = 0,
) -> None:
    """Run everything against a simulated exchange: nothing leaves this machine."""
    from services.terminal import run
    from services.terminal.house import SimulatorPlan

    plan = SimulatorPlan(symbols, seed, speed, replay.resolve() if replay else None, lockstep)
    finish(run.demo(run.Options(analyzers, browser, seconds, as_json, quiet, port), plan))


@app.command()
def up(
    analyzers: Analyzers = 1,
    seconds: Seconds = None,
    as_json: Json = False,
    quiet: Quiet = False,
    browser: Browser = True,
    port: Port = 0,
    anyway: Annotated[bool, typer.Option(help="Start even though the exchange cannot be reached.")] = False,
) -> None:
    """Run everything against live Binance."""
    from services.terminal import run

    finish(run.up(run.Options(analyzers, browser, seconds, as_json, quiet, port), anyway=anyway))


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True}, add_help_option=False)
def simulator(context: typer.Context) -> None:
    """Run the exchange look-alike by itself (its options: simulator --help)."""
    os.execv(sys.executable, [sys.executable, "-m", "services.simulator", *context.args])  # noqa: S606 no shell wanted
