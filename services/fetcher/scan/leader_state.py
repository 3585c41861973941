"""The fetcher's state on the bus: changed only under the lease, in one step with what is published."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from shared.bus import Bus, Commit, CommitResult, Lease, LeaseLost, StateChange
from shared.contracts import Message, Stream
from shared.reports import FETCHER
from shared.runtime.leader import LEASE_MS

NAME: Final = FETCHER
SOURCE_FIELD: Final = "source"  #: where the bars come from: the market, or "simulator"
Fields = Mapping[str, bytes | None]
Outputs = Sequence[tuple[Stream, Message]]


class LeaderState:
    """The leader's published state, which the next leader loads."""

    def __init__(self, bus: Bus, lease: Lease) -> None:
        self.fields: dict[str, bytes] = {}
        self._bus = bus
        self._lease = lease
        self.rollbacks = 0  #: how often the bus held an older state than was known here
        self._version = 0
        self._one_at_a_time = asyncio.Lock()

    async def load(self) -> None:
        """Read the state from the bus."""
        async with self._one_at_a_time:
            await self._load()

    async def _load(self) -> None:
        state = await self._bus.load_state(NAME)
        self.rollbacks += state.version < self._version
        self.fields, self._version = dict(state.fields), state.version

    def number(self, name: str) -> int:
        """Return a field as a number, 0 where there is none."""
        return int(self.fields.get(name, b"0"))

    async def commit(self, fields: Fields, outputs: Outputs = (), *, said: Callable[[], bool] | None = None) -> bool:
        """Commit *fields* and *outputs*; return False when *said* finds that it was done before.

        The bus's answer may be lost on the way: then the commit may have been made.  *said* is asked before each
        try; what it raises ends the tries.
        Raises `LeaseLost`.
        """
        async with self._one_at_a_time:
            while said is None or not said():
                change = StateChange(NAME, self._version, dict(fields))
                result = await self._bus.commit(Commit(outputs=outputs, state=change, lease=self._lease))
                if result is CommitResult.COMMITTED:
                    self._version += 1
                    self._take(fields)
                    return True
                await self._load()
                if not await self._bus.renew(self._lease, ttl_ms=LEASE_MS):
                    raise LeaseLost(NAME)
            return False

    def _take(self, fields: Fields) -> None:
        for name, value in fields.items():
            if value is None:
                self.fields.pop(name, None)
            else:
                self.fields[name] = value
