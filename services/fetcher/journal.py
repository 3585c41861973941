"""The fetcher's state on the bus: changed only under the lease, together with what is said."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from shared.bus import Bus, Commit, CommitResult, Lease, LeaseLost, StateChange
from shared.contracts import Message, Stream
from shared.service import LEASE_MS

NAME: Final = "fetcher"
Fields = Mapping[str, bytes | None]
Outputs = Sequence[tuple[Stream, Message]]


class Journal:
    """What the holder of the lease has said, as the next one finds it."""

    def __init__(self, bus: Bus, lease: Lease) -> None:
        self.fields: dict[str, bytes] = {}
        self._bus = bus
        self._lease = lease
        self._version = 0
        self._one_at_a_time = asyncio.Lock()

    async def load(self) -> None:
        """Take up what the bus holds."""
        state = await self._bus.load_state(NAME)
        self.fields, self._version = dict(state.fields), state.version

    def number(self, name: str) -> int:
        """Return a field as a number, 0 where there is none."""
        return int(self.fields.get(name, b"0"))

    async def commit(self, fields: Fields, outputs: Outputs = (), *, said: Callable[[], bool] | None = None) -> bool:
        """Commit *fields* and *outputs*; return False when *said*, asked of newer fields, knows them.

        An answer may be lost on the way: then the state has moved on although nobody was told.
        Raises `LeaseLost`.
        """
        async with self._one_at_a_time:
            while True:
                change = StateChange(NAME, self._version, dict(fields))
                result = await self._bus.commit(Commit(outputs=outputs, state=change, lease=self._lease))
                if result is CommitResult.COMMITTED:
                    self._version += 1
                    self._take(fields)
                    return True
                await self.load()
                if not await self._bus.renew(self._lease, ttl_ms=LEASE_MS):
                    raise LeaseLost(NAME)
                if said is not None and said():
                    return False

    def _take(self, fields: Fields) -> None:
        for name, value in fields.items():
            if value is None:
                self.fields.pop(name, None)
            else:
                self.fields[name] = value
