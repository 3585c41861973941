"""`sevengate peek` and `dead-letters`: what is on the bus."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Coroutine
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from services.terminal.output.answers import Json, print_lines, refuse

if TYPE_CHECKING:
    from shared.bus import RedisBus

Answer = TypeVar("Answer")


def peek(
    stream: Annotated[str, typer.Argument(help="snapshots, ticks, scans, analyses, decisions, …")],
    count: Annotated[int, typer.Option("-n", "--count", min=1, max=1_000)] = 10,
    as_json: Json = False,
) -> None:
    """Show the newest messages of a stream; nothing is taken from it."""
    from services.terminal.output import messages
    from shared.contracts import Stream

    if stream not in list(Stream):
        refuse(f"there is no stream {stream!r}; the streams are {', '.join(Stream)}")
    bus = local_bus()
    found = on_bus(bus, bus.newest(Stream(stream), count))
    if not found and not as_json:
        typer.echo(f"{stream} is empty: nothing has come yet, or all of it was read and removed")
    for entry_id, message in found:
        typer.echo(messages.as_json(entry_id, message) if as_json else messages.in_line(entry_id, message))


letters = typer.Typer(no_args_is_help=True, help="Messages that no handler could take.")


@letters.command("list")
def list_letters(as_json: Json = False) -> None:
    """List them, oldest first."""
    from services.terminal.output import messages

    bus = local_bus()
    found = on_bus(bus, bus.dead_letters())
    if as_json:
        print_lines({**asdict(letter), "payload": f"{len(letter.payload)} bytes"} for letter in found)
        return
    for letter in found:
        typer.echo(messages.letter_line(letter))
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


def local_bus() -> RedisBus:
    """Return the bus that was named, or the one of the stack that runs here."""
    from services.terminal.local.data_folder import NO_BUS, known_redis
    from shared.bus import RedisBus
    from shared.config.environment import Environment

    url = known_redis()
    if not url:
        refuse(NO_BUS)
    return RedisBus(url, Environment().market)


def on_bus(bus: RedisBus, work: Coroutine[Any, Any, Answer]) -> Answer:
    """Do *work* on *bus* and close it; refuse with one sentence when it does not answer."""
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
