"""A writer and a reader that go on through a failover, for the tests of servers that have one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from redis.exceptions import RedisError

from shared.bus import Commit, CommitResult, RedisBus, StateChange
from shared.contracts import Message, MutesChanged, Stream

T = TypeVar("T")


async def persistent(work: Callable[[], Awaitable[T]]) -> T:
    """Return what *work* returns, tried until it gets through, as the services' loops do."""
    while True:
        try:
            return await work()
        except (RedisError, OSError):
            await asyncio.sleep(0.1)


def version_of(message: Message) -> int:
    """Return the number that the writer gave *message*."""
    assert isinstance(message, MutesChanged)
    return message.version


async def written(bus: RedisBus, count: int, failover: asyncio.Event) -> None:
    """Write *count* messages, each with the number of its state's version; set *failover* in the middle."""
    done = 0
    while done < count:

        async def step() -> CommitResult:
            state = await bus.load_state("writer")
            change = StateChange("writer", state.version, {"n": str(state.version + 1).encode()})
            message = MutesChanged(version=state.version + 1, mutes=())
            return await bus.commit(Commit(state=change, outputs=[(Stream.SETTINGS, message)]))

        await persistent(step)
        done = (await persistent(lambda: bus.load_state("writer"))).version
        if done >= count // 3:
            failover.set()


async def read_until(bus: RedisBus, count: int) -> list[int]:
    """Read and acknowledge until message *count* has come; return the versions that were read.

    What was not acknowledged as the master went is read again.
    """
    found: list[int] = []
    while not found or found[-1] < count:

        async def step() -> None:
            again = await bus.pending("readers", "one", [Stream.SETTINGS])
            for delivery in again or await bus.read("readers", "one", [Stream.SETTINGS], count=8, block_ms=200):
                found.append(version_of(delivery.message))
                await bus.commit(Commit(tokens=[delivery.token]))

        await persistent(step)
    return found


async def assert_each_once(bus: RedisBus, found: list[int], count: int) -> None:
    """Each message is on the bus once and in order, the reader has had each in *found*, and none is pending."""
    entries = [version_of(message) for _, message in await bus.newest(Stream.SETTINGS, 2 * count)]
    assert entries == list(range(1, count + 1))  # what was rolled back was written again by the state's version
    assert set(found) == set(entries)
    assert (await bus.backlog(Stream.SETTINGS, "readers")).pending == 0
