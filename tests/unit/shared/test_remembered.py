"""An answer that takes its time is asked for once in some seconds."""

from __future__ import annotations

import asyncio

import pytest

from shared.runtime.remembered import Remembered


async def test_all_who_ask_within_the_time_get_one_answer() -> None:
    """Those who ask together wait for the same answer; afterwards it is asked anew."""
    now, asked = 0.0, 0

    async def ask() -> int:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0)
        return asked

    held: Remembered[int] = Remembered(10.0, lambda: now)
    assert await asyncio.gather(*(held.get(ask) for _ in range(5))) == [1] * 5
    now = 9.9
    assert await held.get(ask) == 1
    now = 10.0
    assert await held.get(ask) == 2


async def test_a_failure_is_not_remembered() -> None:
    """The next one who asks tries again."""
    held: Remembered[int] = Remembered(10.0)

    async def fail() -> int:
        raise OSError("away")

    async def ask() -> int:
        return 7

    with pytest.raises(OSError, match="away"):
        await held.get(fail)
    assert await held.get(ask) == 7
