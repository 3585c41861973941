"""Messages of the bus and dead letters as text and as JSON; secrets in them are masked."""

from __future__ import annotations

from typing import Final

import msgspec

from services.terminal.output.alert_feed import exchange_time, headline
from shared.bus import DeadLetter
from shared.config.sealing import MARK
from shared.contracts import Alert, Message

LONGEST: Final = 60  #: characters of one value in a line
HIDDEN: Final = "(secret)"
SECRETS: Final = frozenset({"url", "secret", "password", "headers", "heartbeat_url"})  #: among the settings


def as_json(entry_id: str, message: Message) -> str:
    """Return *message* as one JSON object with its names; packed columns are shown by their length."""
    names = type(message).__struct_config__.tag
    fields = {field: plain(getattr(message, field)) for field in message.__struct_fields__}
    return msgspec.json.encode({"id": entry_id, "type": names, **fields}).decode()


def plain(value: object) -> object:
    """Return *value* as what JSON has."""
    match value:
        case str() if value.startswith(MARK):
            return HIDDEN
        case bytes():
            return f"{len(value)} bytes"
        case msgspec.Struct():
            return {field: plain(getattr(value, field)) for field in value.__struct_fields__}
        case dict():
            return {str(key): HIDDEN if key in SECRETS and item else plain(item) for key, item in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
        case _:
            return value


def in_line(entry_id: str, message: Message) -> str:
    """Return *message* in one readable line."""
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
