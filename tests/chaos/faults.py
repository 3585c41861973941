"""Faults at any await of a stage: its bus kills it before, during or after an operation, or freezes it."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from redis.exceptions import ConnectionError as RedisConnectionError

from shared.bus import RedisBus

#: operations at which a stage holds messages that it has not committed
HOLDING = frozenset({"commit", "commit_all", "begin", "close_mark"})
BRINGING = frozenset({"read", "pending", "claim"})
WORK = HOLDING | BRINGING | {"load_state"}

READ_MS = 100  #: longest wait of a read, so that a run takes seconds


class Killed(BaseException):
    """The stage is dead: every further operation fails as well."""


class Faults:
    """The seeded source of faults of one run, and the count of those that really struck."""

    def __init__(self, seed: int, rate: float) -> None:
        self.source = random.Random(f"faults:{seed}")
        self.rate = rate
        self.on = True
        self.certain = self.source.randint(5, 60)  #: the operation with messages held that is sure to be struck
        self.struck: Counter[str] = Counter()
        self.in_flight: Counter[str] = Counter()  #: kills of stages that held messages

    def draw(self, *, holding: bool) -> str:
        """Return the fault for the next operation, mostly none; one kill in flight is certain."""
        self.certain -= holding
        if not self.on or not self.rate:
            return ""
        if holding and self.certain == 0:
            return self.source.choice(("kill before", "kill after", "kill during"))
        if self.source.random() >= self.rate:
            return ""
        return self.source.choices(
            ("kill before", "kill after", "kill during", "cut before", "cut after", "freeze"), (4, 4, 3, 2, 2, 1)
        )[0]


class FaultyBus:
    """A stage's own bus, through which every fault comes.

    "cut" loses the connection before the operation or the answer after it: the stage sees an error.
    """

    def __init__(self, stage: str, bus: RedisBus, faults: Faults, freeze_seconds: float) -> None:
        self.stage = stage
        self.dead = False
        self.died = asyncio.Event()
        self._bus = bus
        self._faults = faults
        self._freeze_seconds = freeze_seconds
        self._frozen = asyncio.Event()
        self._frozen.set()

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._bus, name)
        if not asyncio.iscoroutinefunction(found):
            return found

        async def operation(*args: Any, **named: Any) -> Any:
            if name == "read":
                named["block_ms"] = min(READ_MS, named.get("block_ms", READ_MS))
            return await self.do(name, lambda: found(*args, **named))

        return operation

    async def do(self, name: str, operation: Callable[[], Awaitable[Any]]) -> Any:
        """Do *operation*, with what the seed has for it."""
        if self.dead:
            raise Killed(self.stage)
        await self._frozen.wait()
        fault = self._faults.draw(holding=name in HOLDING) if name in WORK else ""
        if fault:
            self._faults.struck[f"{self.stage}: {fault}"] += 1
            self._faults.struck[f"at {name}"] += 1
        match fault:
            case "kill before":
                self.die(in_flight=name in HOLDING)
            case "kill after":
                answer = await operation()
                self.die(in_flight=name in HOLDING or (name in BRINGING and bool(answer)))
            case "kill during":
                await self._cut_short(operation)
                self.die(in_flight=name in HOLDING)
            case "cut before":
                raise RedisConnectionError("cut before")
            case "cut after":
                await operation()
                raise RedisConnectionError("cut after")
            case "freeze":
                asyncio.get_running_loop().call_later(self._freeze_seconds, self._frozen.set)
                self._frozen.clear()
                await self._frozen.wait()
        return await operation()

    async def _cut_short(self, operation: Callable[[], Awaitable[Any]]) -> None:
        """Begin *operation* and leave it: whether the server did it is unknown."""
        task = asyncio.ensure_future(operation())
        await asyncio.wait({task}, timeout=self._faults.source.uniform(0, 0.002))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    def die(self, *, in_flight: bool) -> None:
        """End the stage here and now; say whether it held messages that it had not committed."""
        self._faults.in_flight[self.stage] += in_flight
        self.dead = True
        self.died.set()
        raise Killed(self.stage)
