"""Dead letters: messages that no handler could process, kept with the error until they are put back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from shared import metrics
from shared.bus import scripts
from shared.bus.contract import DeadLetter, Token
from shared.bus.replies import text
from shared.contracts import Stream


class DeadLetters:
    """The dead letters of one market, and the last errors of messages that may become some."""

    def __init__(self, redis: Any, key: Callable[[str], str]) -> None:
        self._redis, self._key = redis, key
        self._aside = redis.register_script(scripts.PUT_ASIDE)
        self._back = redis.register_script(scripts.PUT_BACK)

    async def keep_error(self, token: Token, error: str) -> None:
        """Keep the *error* of a try for a later dead letter; a commit deletes it."""
        await self._redis.hset(self._key("errors"), f"{token.stream}:{token.group}:{token.entry_id}", error[:4_000])

    async def put_aside(self, token: Token, data: bytes, error: str, tries: int) -> None:
        """Move a message to the dead letters, unless another process has done so or committed it."""
        moved = await self._aside(
            keys=[self._key(token.stream), self._key("dead"), self._key("errors")],
            args=[token.stream.value, token.group, token.entry_id, error, tries, data],
        )
        if moved:
            metrics.DROPPED.labels(token.stream, "dead-lettered").inc()

    async def all(self) -> list[DeadLetter]:
        """Return them, oldest first."""
        return [_letter(text(dead_id), fields) for dead_id, fields in await self._redis.xrange(self._key("dead"))]

    async def put_back(self, dead_id: str) -> bool:
        """Add the dead letter *dead_id* to its stream again; return whether it was there."""
        entries = await self._redis.xrange(self._key("dead"), dead_id, dead_id)
        if not entries:
            return False
        letter = _letter(dead_id, entries[0][1])
        keys = [self._key("dead"), self._key(letter.stream)]
        return bool(await self._back(keys=keys, args=[dead_id, letter.payload]))


def _letter(dead_id: str, fields: Mapping[bytes, bytes]) -> DeadLetter:
    return DeadLetter(
        dead_id=dead_id,
        stream=Stream(text(fields[b"stream"])),
        group=text(fields[b"group"]),
        entry_id=text(fields[b"entry_id"]),
        error=text(fields[b"error"]),
        tries=int(fields[b"tries"]),
        payload=fields[b"d"],
    )
