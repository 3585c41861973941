"""The command line: every command, its options, and which module does the work."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar
from urllib.parse import quote

import typer

from services.terminal import history
from services.terminal.deliveries import resend, test_alert
from services.terminal.indicators import indicators

if TYPE_CHECKING:
    from shared.bus import RedisBus

Answer = TypeVar("Answer")

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Seconds = Annotated[float | None, typer.Option("--for", min=0, help="Stop after this many seconds.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]
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
    """Sevengate: a crypto-futures scanner; seven gates between a chart and your phone."""


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


@app.command()
def scan(
    once: Annotated[bool, typer.Option("--once", help="One scan, then exit.")] = False,
    as_json: Json = False,
    simulated: Annotated[int, typer.Option(min=0, max=600, help="So many invented coins instead of Binance.")] = 0,
    seed: int = 7,
    quiet: Quiet = False,
) -> None:
    """Scan every coin once and print them ranked."""
    from services.terminal import scan as scans
    from services.terminal.console import Screen
    from services.terminal.run import EXPECTED
    from shared.config_file import ConfigError

    if not once:
        refuse("say `scan --once`; `up` scans on and on")
    try:
        scanned = scans.run(Screen(quiet=quiet, to_stderr=True), simulated=simulated, seed=seed)
    except (*EXPECTED, ConfigError) as error:
        refuse(str(error))
    if scanned is None:
        raise typer.Exit(130)
    if not as_json:
        scans.show(scanned, Screen().console)
        return
    for decision in scanned.decisions:
        print_json(scans.as_record(decision))


@app.command()
def explain(
    symbol: Annotated[str, typer.Argument(help="BTCUSDT, or BTC.")],
    at: Annotated[str, typer.Option(help="UNIX ms, or ISO 8601 (UTC where no zone is named); else the newest.")] = "",
    as_json: Json = False,
) -> None:
    """Show the seven gates of a coin, value against threshold."""
    from services.terminal import client
    from services.terminal import explain as explaining
    from services.terminal.console import Screen
    from shared.moment import moment

    try:
        query = {"at": str(moment(at))} if at else None
        decision = client.request("GET", f"/api/explain/{quote(symbol, safe='')}", query=query)
    except (client.ApiError, ValueError) as error:
        refuse(str(error))
    if as_json:
        typer.echo(explaining.as_json(decision))
    else:
        Screen().console.print(explaining.as_table(decision))


@app.command()
def doctor(as_json: Json = False) -> None:
    """Say what this machine has and lacks."""
    from services.terminal import doctor as doctors
    from services.terminal.console import Screen
    from shared.settings import Environment

    findings = asyncio.run(doctors.examine(Environment()))
    if as_json:
        print_json([{"verdict": item.verdict, "name": item.name, "detail": item.detail} for item in findings])
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
    from services.terminal import initial
    from shared.settings import Environment

    path = Environment().config
    if not initial.write(path, force=force):
        refuse(f"{path} is there already (--force replaces it)")
    typer.echo(f"wrote {path}; next: edit it, then ./sevengate doctor")


@app.command()
def peek(
    stream: Annotated[str, typer.Argument(help="snapshots, ticks, scans, analyses, decisions, …")],
    count: Annotated[int, typer.Option("-n", "--count", min=1, max=1_000)] = 10,
    as_json: Json = False,
) -> None:
    """Show the newest messages of a stream; nothing is taken from it."""
    from services.terminal import peek as peeking
    from shared.contracts import Stream

    if stream not in list(Stream):
        refuse(f"there is no stream {stream!r}; the streams are {', '.join(Stream)}")
    bus = local_bus()
    found = on_bus(bus, peeking.newest(bus, Stream(stream), count))
    if not found and not as_json:
        typer.echo(f"{stream} is empty: nothing has come yet, or all of it was read and removed")
    for entry_id, message in found:
        typer.echo(peeking.as_json(entry_id, message) if as_json else peeking.in_line(entry_id, message))


letters = typer.Typer(no_args_is_help=True, help="Messages that no handler could take.")
app.add_typer(letters, name="dead-letters")


@letters.command("list")
def list_letters(as_json: Json = False) -> None:
    """List them, oldest first."""
    from services.terminal import peek as peeking

    bus = local_bus()
    found = on_bus(bus, bus.dead_letters())
    if as_json:
        print_json([{**vars_of(letter), "payload": f"{len(letter.payload)} bytes"} for letter in found])
        return
    for letter in found:
        typer.echo(peeking.letter_line(letter))
    if not found:
        typer.echo("there are none")


@letters.command("put-back")
def put_back(dead_id: Annotated[str, typer.Argument(help="The id that `list` shows, or `all`.")]) -> None:
    """Put a message back on its stream."""
    bus = local_bus()
    count = on_bus(bus, _put_back(bus, dead_id))
    if not count:
        refuse(f"there is no dead letter {dead_id!r}")
    typer.echo(f"{count} put back")


async def _put_back(bus: RedisBus, dead_id: str) -> int:
    wanted = [letter.dead_id for letter in await bus.dead_letters()] if dead_id == "all" else [dead_id]
    return sum([await bus.put_back(item) for item in wanted if re.fullmatch(r"\d{1,16}-\d{1,9}", item)])


settings = typer.Typer(no_args_is_help=True, help="The running settings, by the API.")
app.add_typer(settings, name="config")


@settings.command("get")
def config_get(path: Annotated[str, typer.Argument(help="thresholds.score; nothing: everything.")] = "") -> None:
    """Print a setting as YAML."""
    import yaml

    from services.terminal import client, settings_paths

    try:
        value = settings_paths.value_at(client.request("GET", "/api/config")["value"], path)
    except (client.ApiError, settings_paths.PathError) as error:
        refuse(str(error))
    typer.echo(yaml.safe_dump(value, sort_keys=False, allow_unicode=True).removesuffix("...\n").rstrip())


@settings.command("set")
def config_set(
    path: Annotated[str, typer.Argument(help="thresholds.score")],
    value: Annotated[str, typer.Argument(help="A value, read as YAML.")],
) -> None:
    """Change a setting without a restart."""
    from services.terminal import client, settings_paths

    try:
        answer = client.request("PATCH", "/api/config", body=settings_paths.change_at(path, value))
    except (client.ApiError, settings_paths.PathError) as error:
        refuse(str(error))
    typer.echo(f"{path} is set (settings version {answer.get('version', '?')})")


def local_bus() -> RedisBus:
    """Return the bus that was named, or the one of the house that runs here."""
    from services.terminal.house import NO_BUS, known_redis
    from shared.bus import RedisBus
    from shared.settings import Environment

    url = known_redis()
    if not url:
        refuse(NO_BUS)
    return RedisBus(url, Environment().market)


def on_bus(bus: RedisBus, work: Coroutine[Any, Any, Answer]) -> Answer:
    """Do *work* on *bus*, close it, and say plainly when it does not answer."""
    from redis.exceptions import RedisError

    async def whole() -> Answer:
        try:
            return await work
        finally:
            await bus.close()

    try:
        return asyncio.run(whole())
    except (RedisError, OSError) as error:
        refuse(f"the bus does not answer: {error}")


def refuse(message: str) -> NoReturn:
    """Say why nothing came of it, and leave."""
    from services.terminal.console import complain

    complain(message)
    raise typer.Exit(1)


def print_json(value: object) -> None:
    """Print *value* as JSON."""
    import msgspec

    typer.echo(msgspec.json.encode(value))


def vars_of(item: Any) -> dict[str, Any]:
    """Return the fields of a dataclass."""
    import dataclasses

    return dataclasses.asdict(item)


app.add_typer(history.app, name="history")
app.command()(indicators)
app.command("test-alert")(test_alert)
app.command()(resend)
