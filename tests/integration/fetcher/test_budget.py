"""The ledger on a real Valkey: one count for all fetchers, and bans that outlive a process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from services.fetcher.binance.weight_ledger import WeightLedger
from services.fetcher.exchange import BlockedError
from services.fetcher.feed.clock import ExchangeClock
from shared.bus import RedisBus
from tests.patience import PATIENCE_S

MINUTE = 1_768_222_800_000


@pytest.fixture
async def bus(fresh_valkey: str) -> AsyncIterator[RedisBus]:
    """A bus on the embedded Valkey."""
    opened = RedisBus(fresh_valkey)
    yield opened
    await opened.close()


def ledger(bus: RedisBus, *, speed: float = 1.0, share: float = 0.8) -> WeightLedger:
    """Return a fetcher's ledger at the beginning of a minute."""
    clock = ExchangeClock(speed)
    clock.observe(MINUTE)
    return WeightLedger(bus, clock, lambda: share)


async def spend_all(of: WeightLedger, weight: int) -> int:
    """Spend until the ledger makes one wait; return how much was had."""
    spent = 0
    try:
        while spent < 10_000:
            async with asyncio.timeout(3):
                await of.spend(weight)
            spent += weight
    except TimeoutError:
        pass
    return spent


async def test_two_fetchers_together_stay_below_the_share(bus: RedisBus) -> None:
    """Both spend what they can within a minute: the sum is at most 80 % of the limit, and almost all of it."""
    first, second = ledger(bus), ledger(bus)
    spent = sum(await asyncio.gather(spend_all(first, 2), spend_all(second, 2)))
    assert 1_920 - 40 <= spent <= 1_920


async def test_the_exchange_s_higher_count_is_believed(bus: RedisBus) -> None:
    """Weight that other programs at this address spent, by the header, is gone for both fetchers."""
    first, second = ledger(bus), ledger(bus)
    await first.spend(2)
    await first.learn(1_900)
    assert await spend_all(second, 2) <= 20


async def test_a_new_minute_has_a_new_budget(bus: RedisBus) -> None:
    """At 600× a minute lasts a tenth of a second: a full ledger makes one wait that long."""
    fast = ledger(bus, speed=600.0)
    async with asyncio.timeout(PATIENCE_S):
        for _ in range(60):
            await fast.spend(100)


async def test_a_ban_is_obeyed_by_the_next_process(bus: RedisBus) -> None:
    """The ban is in Redis until it ends: another ledger refuses before it asks anything."""
    await ledger(bus).block("banned", 60)
    later = ledger(bus)
    assert 50 < await later.remembered_ban() <= 60
    with pytest.raises(BlockedError):
        await later.spend(1)
    with pytest.raises(BlockedError):
        await ledger(bus).spend(1)


async def test_why_the_address_is_refused_is_told_to_others_as_it_was(bus: RedisBus) -> None:
    """A region that is not served is no ban, whichever process met it."""
    await ledger(bus).block("region not served", 60)
    other = ledger(bus)
    with pytest.raises(BlockedError) as refused:
        await other.spend(1)
    assert refused.value.reason == other.refused_for == "region not served"


async def test_without_redis_the_own_count_has_to_do() -> None:
    """When the ledger cannot be asked, this process alone stays below the share."""
    bus = RedisBus("redis://127.0.0.1:1/0")
    bus.redis.connection_pool.connection_kwargs["retry"] = None
    bus.redis.connection_pool.connection_kwargs["retry_on_error"] = []
    assert await spend_all(ledger(bus), 40) == 1_920
    await bus.close()
