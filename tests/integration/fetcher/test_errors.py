"""The exchange's errors, one at a time, as a server of a few lines sends them: what is asked again, and when."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from services.fetcher.binance import rest as binance_rest
from services.fetcher.binance.rest import TRIES, BinanceRest
from services.fetcher.binance.weight_ledger import WeightLedger
from services.fetcher.exchange import BlockedError, RefusedError, UnavailableError, UnknownSymbolError
from services.fetcher.feed.clock import ExchangeClock
from shared.bus import RedisBus

from .conftest import listening

MINUTE = 1_768_222_800_000
Said = tuple[int, Any, dict[str, str]]  #: status, body, headers


class Exchange:
    """Gives its prepared answers in turn, and then the time."""

    def __init__(self) -> None:
        self.says: list[Said] = []
        self.asked: list[float] = []

    async def answer(self, _: web.Request) -> web.Response:
        """Count a request and answer it."""
        self.asked.append(time.monotonic())
        status, body, headers = self.says.pop(0) if self.says else (200, {"serverTime": MINUTE}, {})
        if isinstance(body, str):
            return web.Response(text=body, content_type="text/html", status=status, headers=headers)
        return web.json_response(body, status=status, headers=headers)


@pytest.fixture
async def exchange() -> AsyncIterator[tuple[Exchange, str]]:
    """A server on a free port."""
    said = Exchange()
    async with listening(said.answer) as address:
        yield said, f"http://{address}"


@pytest.fixture
async def asking(
    exchange: tuple[Exchange, str], fresh_valkey: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Exchange, BinanceRest]]:
    """A client of that server, with quick pauses between tries."""
    monkeypatch.setattr(binance_rest, "BACKOFF_S", 0.01)
    bus = RedisBus(fresh_valkey)
    clock = ExchangeClock(1.0)
    clock.observe(MINUTE)
    rest = BinanceRest(exchange[1], WeightLedger(bus, clock, lambda: 0.8), clock)
    await rest.open()
    yield exchange[0], rest
    await rest.close()
    await bus.close()


Asking = tuple[Exchange, BinanceRest]


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (503, {"code": -1001, "msg": "Internal error; unable to process your request. Please try again."}),
        (400, {"code": -1001, "msg": "the same with another status"}),
        (200, {"code": -1001, "msg": "and with the status of success"}),
        (504, {"code": -1007, "msg": "Timeout waiting for response from backend server."}),
        (502, "<html><body>Bad Gateway</body></html>"),
        (503, "<html>"),
        (200, "<html>a page instead of an answer</html>"),
    ],
)
async def test_the_exchange_s_own_trouble_is_asked_again(asking: Asking, status: int, body: Any) -> None:
    """With any status the next answer is taken; after four tries the request fails."""
    exchange, rest = asking
    exchange.says = [(status, body, {})] * 2
    assert await rest.server_time() == MINUTE
    assert len(exchange.asked) == 3
    exchange.says = [(status, body, {})] * TRIES
    with pytest.raises(UnavailableError):
        await rest.server_time()


@pytest.mark.parametrize("status", [400, 200])
async def test_a_symbol_that_is_not_known_is_not_asked_for_again(asking: Asking, status: int) -> None:
    """-1121 says so at once; any other refused request is refused, not unknown."""
    exchange, rest = asking
    exchange.says = [(status, {"code": -1121, "msg": "Invalid symbol."}, {})]
    with pytest.raises(UnknownSymbolError):
        await rest.bars("GONEUSDT", "5m", limit=2, end_time=MINUTE)
    exchange.says = [(status, {"code": -1120, "msg": "Invalid interval."}, {})]
    with pytest.raises(RefusedError) as refused:
        await rest.bars("BTCUSDT", "5m", limit=2, end_time=MINUTE)
    assert refused.type is RefusedError
    assert len(exchange.asked) == 2


@pytest.mark.parametrize("status", [429, 200])
async def test_too_many_requests_make_everybody_wait_as_long_as_they_are_told(asking: Asking, status: int) -> None:
    """429 or -1003: no request before `Retry-After` is over."""
    exchange, rest = asking
    exchange.says = [(status, {"code": -1003, "msg": "Too much request weight used"}, {"Retry-After": "1"})]
    await asyncio.gather(rest.server_time(), rest.server_time())
    first, *later = sorted(exchange.asked)
    waited = [at for at in later if at - first > 0.9]
    assert len(waited) >= 1
    assert all(at - first < 0.2 or at - first > 0.9 for at in later)


@pytest.mark.parametrize(
    ("headers", "text", "least", "most"),
    [
        ({"Retry-After": "7200"}, "Way too many requests.", 7_190, 7_200),
        ({}, f"Way too many requests; IP(203.0.113.7) banned until {MINUTE + 3_600_000}. Please use…", 3_590, 3_600),
        ({}, "Way too many requests.", 110, 120),
    ],
)
async def test_a_ban_lasts_as_long_as_header_or_text_say(
    asking: Asking, headers: dict[str, str], text: str, least: float, most: float
) -> None:
    """No request until then; it is in Redis for the next process."""
    exchange, rest = asking
    exchange.says = [(418, {"code": -1003, "msg": text}, headers)]
    for _ in range(3):
        with pytest.raises(BlockedError):
            await rest.server_time()
    assert len(exchange.asked) == 1
    assert least < await rest.budget.remembered_ban() <= most


@pytest.mark.parametrize(("status", "least"), [(403, 290), (451, 890)])
async def test_a_closed_door_is_not_hammered(asking: Asking, status: int, least: float) -> None:
    """A firewall's page or a region that is not served: silence, kept in Redis."""
    exchange, rest = asking
    exchange.says = [(status, "<html>no</html>", {})]
    for _ in range(3):
        with pytest.raises(BlockedError):
            await rest.server_time()
    assert len(exchange.asked) == 1
    assert await rest.budget.remembered_ban() > least


async def test_a_pool_that_is_empty_holds_up_no_other(asking: Asking) -> None:
    """Forty requests that wait for the next five minutes of futures data; bars and books are asked for meanwhile."""
    exchange, rest = asking
    rest.budget.limits["data"] = 0
    waiting = [asyncio.ensure_future(rest.open_interest("BTCUSDT", limit=3)) for _ in range(40)]
    await asyncio.sleep(0.1)
    async with asyncio.timeout(5):
        assert await rest.server_time() == MINUTE
    assert len(exchange.asked) == 1
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
