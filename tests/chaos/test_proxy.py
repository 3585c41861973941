"""The proxy really cuts where it says, so that a run without violations means something."""

from __future__ import annotations

import asyncio

import pytest
import redis.asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from tests.chaos.proxy import CUTS, Cut, Proxy


@pytest.mark.parametrize("cut", CUTS)
async def test_a_cut_strikes_the_named_command_once(fresh_valkey: str, cut: Cut) -> None:
    """The client sees an error; whether the server did it depends on the cut; the next connection is sound."""
    host, _, port = fresh_valkey.removeprefix("redis://").split("/")[0].rpartition(":")
    async with Proxy(host, int(port)) as proxy:
        url = f"redis://127.0.0.1:{await proxy.door('one')}/0"
        client = redis.Redis.from_url(url, socket_timeout=5, retry=Retry(NoBackoff(), 0))
        await client.set("other", 1)
        async with client.pipeline(transaction=False) as pipe:
            waiting = asyncio.ensure_future(proxy.cut("one", cut, [b"INCR", b"count"], 5.0))
            await asyncio.sleep(0)
            pipe.incr("count")
            with pytest.raises((RedisConnectionError, RedisTimeoutError)):
                await pipe.execute()
        assert await waiting
        done = await client.get("count")
        assert done == (None if cut in ("before the command", "silently") else b"1")
        await client.aclose()


async def test_two_cuts_of_one_client_each_strike(fresh_valkey: str) -> None:
    """One that waits does not take the other's place, and one that gives up leaves the other armed."""
    host, _, port = fresh_valkey.removeprefix("redis://").split("/")[0].rpartition(":")
    async with Proxy(host, int(port)) as proxy:
        client = redis.Redis.from_url(
            f"redis://127.0.0.1:{await proxy.door('one')}/0", retry=Retry(NoBackoff(), 0), socket_timeout=5.0
        )
        never = asyncio.ensure_future(proxy.cut("one", "before the answer", [b"NOTHING"], 0.05))
        waiting = [asyncio.ensure_future(proxy.cut("one", "before the answer", [b"INCR"], 5.0)) for _ in range(2)]
        assert not await never
        for _ in waiting:
            with pytest.raises(RedisConnectionError):
                await client.incr("count")
        assert await asyncio.gather(*waiting) == [True, True]
        assert await client.get("count") == b"2"
        await client.aclose()
