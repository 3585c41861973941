"""The command line: every command, its options, and which module does the work."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from services.terminal.commands import config as config_commands
from services.terminal.commands import history, keys
from services.terminal.commands.backup import backup, restore, upgrade
from services.terminal.commands.bus import letters, peek
from services.terminal.commands.deliveries import resend, test_alert
from services.terminal.commands.indicators import indicators
from services.terminal.local.processes.forker import Forker
from services.terminal.output.answers import Json, print_lines, refuse

PROGRAM = "services.terminal.local.processes.program"
app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Seconds = Annotated[float | None, typer.Option("--for", min=0, help="Stop after this many seconds.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Show warnings and alerts only.")]
Browser = Annotated[bool, typer.Option("--browser/--no-browser", help="Open the dashboard where there is a browser.")]
Analyzers = Annotated[int, typer.Option(min=1, max=64, help="How many analyzers.")]
Port = Annotated[
    int, typer.Option(min=0, max=65_535, help="The dashboard's port; 0: SEVENGATE_API_PORT, default 8710.")
]


def print_version(wanted: bool) -> None:
    """Print the version and leave, when it is wanted."""
    from shared.version import version

    if wanted:
        typer.echo(f"sevengate {version()}")
        raise typer.Exit


@app.callback()
def launcher(
    version: Annotated[
        bool, typer.Option("--version", callback=print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Sevengate: a crypto-futures scanner that alerts you when a setup passes every gate."""


def finish(work: Coroutine[Any, Any, int]) -> None:
    """Run *work* and leave with its exit code."""
    raise typer.Exit(asyncio.run(work))


@app.command()
def demo(
    speed: Annotated[
        float,
        typer.Option(min=0.1, max=1_000, help="Times real time (--lockstep: as fast as possible)."),
    ] = 300,
    symbols: Annotated[int, typer.Option(min=1, max=600)] = 50,
    seed: int = 7,
    analyzers: Analyzers = 1,
    replay: Annotated[
        Path | None,
        typer.Option(exists=True, file_okay=False, help="A folder of recorded bars, instead of the seeded market."),
    ] = None,
    lockstep: Annotated[bool, typer.Option(help="Serve the next close only when the last scan has settled.")] = False,
    seconds: Seconds = None,
    as_json: Json = False,
    quiet: Quiet = False,
    browser: Browser = True,
    port: Port = 0,
) -> None:
    """Run everything against a simulated exchange: nothing leaves this machine."""
    forker = Forker()
    from services.terminal.commands import run
    from services.terminal.local.stack import SimulatorPlan

    plan = SimulatorPlan(symbols, seed, speed, replay.resolve() if replay else None, lockstep)
    finish(run.demo(run.Options(analyzers, browser, seconds, as_json, quiet, port, forker), plan))


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
    forker = Forker()
    from services.terminal.commands import run

    finish(run.up(run.Options(analyzers, browser, seconds, as_json, quiet, port, forker), anyway=anyway))


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True}, add_help_option=False)
def simulator(context: typer.Context) -> None:
    """Run the exchange look-alike by itself (its options: simulator --help)."""
    os.execv(sys.executable, [sys.executable, "-m", PROGRAM, "services.simulator", *context.args])  # noqa: S606 no shell wanted


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True}, add_help_option=False)
def backtest(context: typer.Context) -> None:
    """Say what the signals of recorded bars came to (its options: backtest --help)."""
    os.execv(sys.executable, [sys.executable, "-m", PROGRAM, "services.backtest", *context.args])  # noqa: S606 no shell wanted


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True}, add_help_option=False)
def tune(context: typer.Context) -> None:
    """Search settings on earlier days, measure them on later ones; changes nothing (its options: tune --help)."""
    os.execv(sys.executable, [sys.executable, "-m", PROGRAM, "services.backtest.tuning", *context.args])  # noqa: S606 no shell wanted


@app.command()
def scan(
    once: Annotated[bool, typer.Option("--once", help="One scan of the last five-minute close, then exit.")] = False,
    wait: Annotated[
        bool, typer.Option("--next", help="Wait for the next close: with the order books of its last moments.")
    ] = False,
    as_json: Json = False,
    simulated: Annotated[
        int, typer.Option(min=0, max=600, help="Simulate this many coins instead of asking Binance.")
    ] = 0,
    seed: int = 7,
    quiet: Quiet = False,
) -> None:
    """Scan every coin once and print them ranked."""
    if not once:
        refuse("use `scan --once`; `up` scans continuously")
    forker = Forker()
    from services.terminal.commands import scan as scans
    from services.terminal.commands.expected import EXPECTED
    from services.terminal.output.console import Screen

    def show(scanned: scans.Scanned) -> None:
        if as_json:
            print_lines(scans.as_record(decision) for decision in scanned.decisions)
        else:
            scans.print_table(scanned, Screen().console)

    try:
        screen = Screen(quiet=quiet, to_stderr=True)
        done = scans.run(screen, show, forker=forker, wait=wait, simulated=simulated, seed=seed)
    except EXPECTED as error:
        refuse(str(error))
    if not done:
        raise typer.Exit(130)


@app.command()
def explain(
    symbol: Annotated[str, typer.Argument(help="BTCUSDT, or BTC.")],
    at: Annotated[str, typer.Option(help="UNIX ms, or ISO 8601 (UTC where no zone is named); else the newest.")] = "",
    as_json: Json = False,
) -> None:
    """Show the gates of a coin, value against threshold."""
    from services.terminal.commands import explain as explaining
    from services.terminal.output import api_client as client
    from services.terminal.output.console import Screen
    from shared.moment import moment

    try:
        query = {"at": str(moment(at))} if at else None
        decision = client.request("GET", f"/api/coins/{quote(symbol, safe='')}/explain", query=query)
    except (client.ApiError, ValueError) as error:
        refuse(str(error))
    if as_json:
        typer.echo(explaining.as_json(decision))
    else:
        Screen().console.print(explaining.as_table(decision))


@app.command()
def status(as_json: Json = False) -> None:
    """Show how each running service is doing, and what it waits for."""
    from services.terminal.commands import status as statuses
    from services.terminal.output import api_client as client
    from services.terminal.output.answers import print_json
    from services.terminal.output.console import Screen

    try:
        found = client.request("GET", "/api/status")
    except client.ApiError as error:
        refuse(str(error))
    if as_json:
        print_json(found)
        return
    screen = Screen()
    for line, style in statuses.lines(found):
        screen.say(line, style)


@app.command()
def trace(
    alert_id: Annotated[str, typer.Argument(help="As `resend`, the dashboard and webhooks show it.")],
    as_json: Json = False,
) -> None:
    """Show the way of an alert: the bar's close, the scan, each attempt to deliver it, with times."""
    from services.terminal.commands import trace as traces
    from services.terminal.output import api_client as client
    from services.terminal.output.answers import print_json
    from services.terminal.output.console import Screen
    from shared.config.environment import Environment

    try:
        found = traces.fetch(alert_id, Environment().market)
    except client.ApiError as error:
        refuse(str(error))
    if as_json:
        print_json(found.as_record())
    else:
        Screen().console.print(traces.as_table(found))


@app.command()
def doctor(as_json: Json = False) -> None:
    """Check this machine, the stores and the destinations; nothing is sent."""
    from services.terminal.commands import doctor as doctors
    from services.terminal.output.console import Screen
    from shared.config.environment import Environment

    findings = asyncio.run(doctors.examine(Environment()))
    if as_json:
        print_lines({"verdict": item.verdict, "name": item.name, "detail": item.detail} for item in findings)
    else:
        screen, styles = Screen(), {"ok": "green", "warning": "yellow", "problem": "bold red"}
        for item in findings:
            screen.say(f"{item.verdict:8} {item.name:18} {item.detail}", styles[item.verdict])
    raise typer.Exit(1 if any(item.verdict == "problem" for item in findings) else 0)


@app.command()
def init(
    force: Annotated[bool, typer.Option(help="Replace a file that is there.")] = False,
) -> None:
    """Write config.yaml, with what each part is for."""
    from services.terminal.commands import init as initial
    from shared.config.environment import Environment

    path = Environment().config
    if not initial.write(path, force=force):
        refuse(f"{path} is there already (--force replaces it)")
    typer.echo(f"wrote {path}; next: edit it, then ./sevengate doctor")


app.command()(peek)
app.add_typer(letters, name="dead-letters")
app.add_typer(config_commands.app, name="config")
app.add_typer(history.app, name="history")
app.add_typer(keys.app, name="keys")
app.command()(indicators)
app.command("test-alert")(test_alert)
app.command()(resend)
app.command()(backup)
app.command()(restore)
app.command()(upgrade)
