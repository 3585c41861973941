"""The slots of a pool of requests: first come, first served, and no turn is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from services.fetcher.binance.slots import Slots


async def settled() -> None:
    """Let every task go as far as it can."""
    for _ in range(10):
        await asyncio.sleep(0)


class Requests:
    """Requests that hold a slot until they are answered."""

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self.under_way: list[int] = []
        self.tasks: list[asyncio.Task[None]] = []
        self._answers: dict[int, asyncio.Event] = {}

    async def _ask(self, number: int) -> None:
        async with self._slots.slot():
            self.under_way.append(number)
            await self._answers[number].wait()
            self.under_way.remove(number)

    async def ask(self, count: int) -> None:
        for number in range(len(self.tasks), len(self.tasks) + count):
            self._answers[number] = asyncio.Event()
            self.tasks.append(asyncio.ensure_future(self._ask(number)))
        await settled()

    async def answer(self, number: int) -> None:
        self._answers[number].set()
        await settled()


@pytest.fixture
def requests() -> Iterator[Requests]:
    """Requests over two slots."""
    made = Requests(Slots(2))
    yield made
    for task in made.tasks:
        task.cancel()


async def test_those_that_wait_go_in_their_order(requests: Requests) -> None:
    """Two are under way; each answer lets in the one that waits longest."""
    await requests.ask(4)
    assert requests.under_way == [0, 1]
    await requests.answer(1)
    assert requests.under_way == [0, 2]
    await requests.answer(0)
    assert requests.under_way == [2, 3]


async def test_who_gives_up_while_waiting_takes_no_slot(requests: Requests) -> None:
    """A cancelled request is passed over, one that is cancelled as its turn comes hands the turn on."""
    await requests.ask(4)
    requests.tasks[2].cancel()
    await requests.answer(0)
    assert requests.under_way == [1, 3]
    await requests.ask(2)
    requests._answers[1].set()
    await asyncio.sleep(0)  # its slot is free, the next one admitted but not yet awake
    requests.tasks[4].cancel()
    await settled()
    assert requests.under_way == [3, 5]


async def test_a_narrowed_line_lets_in_fewer_and_a_sound_one_more_again() -> None:
    """A timeout halves the width; a full width of answers widens it, for one that waits already."""
    slots = Slots(4)
    requests = Requests(slots)
    slots.timed_out()
    await requests.ask(4)
    assert requests.under_way == [0, 1]
    slots.answered()
    slots.answered()
    await settled()
    assert requests.under_way == [0, 1, 2]
    for task in requests.tasks:
        task.cancel()
