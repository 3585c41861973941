"""`peek` and `dead-letters`: look at the bus without touching what the services read."""

from __future__ import annotations

import msgspec

from services.terminal.alerts import exchange_time, headline
from shared.bus import DeadLetter, RedisBus
from shared.contracts import Alert, Message, Stream

LONGEST = 60  #: characters of one value in a line


async def newest(bus: RedisBus, stream: Stream, count: int) -> list[tuple[str, Message]]:
    """Return the newest *count* messages of *stream*, oldest first."""
    from_end = await bus.redis.xrevrange(bus.key(stream), count=count)
    if not from_end:
        return []
    first = from_end[-1][0].decode()
    milliseconds, _, sequence = first.partition("-")
    before = f"{milliseconds}-{int(sequence) - 1}" if int(sequence) else f"{int(milliseconds) - 1}-{2**63 - 1}"
    return [(entry_id, message) for _, entry_id, message in await bus.tail({stream: before}, count=count)]


def as_json(entry_id: str, message: Message) -> str:
    """Return *message* as one JSON object with its names; packed columns are told by their length."""
    names = type(message).__struct_config__.tag
    fields = {field: plain(getattr(message, field)) for field in message.__struct_fields__}
    return msgspec.json.encode({"id": entry_id, "type": names, **fields}).decode()


def plain(value: object) -> object:
    """Return *value* as what JSON has."""
    match value:
        case bytes():
            return f"{len(value)} bytes"
        case msgspec.Struct():
            return {field: plain(getattr(value, field)) for field in value.__struct_fields__}
        case dict():
            return {str(key): plain(item) for key, item in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
        case _:
            return value


def in_line(entry_id: str, message: Message) -> str:
    """Return *message* in one line for people."""
    if isinstance(message, Alert):
        return f"{entry_id}  {exchange_time(message.occurred_at)}  {headline(message)}"
    parts = []
    for field in message.__struct_fields__:
        text = str(plain(getattr(message, field)))
        parts.append(f"{field}={text if len(text) <= LONGEST else text[:LONGEST] + '…'}")
    return f"{entry_id}  {' '.join(parts)}"


def letter_line(letter: DeadLetter) -> str:
    """Return a dead letter in one line."""
    error = letter.error.strip().splitlines()[-1] if letter.error.strip() else "no error was kept"
    return f"{letter.dead_id}  {letter.stream} to {letter.group}, {letter.tries} tries: {error}"
