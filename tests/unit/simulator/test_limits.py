"""The request limits: weights, minutes, side pools, 429 and the ban."""

from __future__ import annotations

import pytest

from services.simulator.protocol.limits import PATIENCE, POOL_MS, RequestLimits, weight_of

NOON = 1_768_219_200_000


@pytest.mark.parametrize(
    ("path", "query", "weight"),
    [
        ("/fapi/v1/klines", {"limit": "99"}, 1),
        ("/fapi/v1/klines", {"limit": "100"}, 2),
        ("/fapi/v1/klines", {"limit": "499"}, 2),
        ("/fapi/v1/klines", {"limit": "500"}, 5),
        ("/fapi/v1/klines", {"limit": "1000"}, 5),
        ("/fapi/v1/klines", {"limit": "1500"}, 10),
        ("/fapi/v1/klines", {}, 5),
        ("/fapi/v1/depth", {"limit": "20"}, 2),
        ("/fapi/v1/depth", {"limit": "100"}, 5),
        ("/fapi/v1/depth", {}, 10),
        ("/fapi/v1/depth", {"limit": "1000"}, 20),
        ("/fapi/v1/ticker/24hr", {}, 40),
        ("/fapi/v1/ticker/24hr", {"symbol": "BTCUSDT"}, 1),
        ("/fapi/v1/ticker/price", {}, 2),
        ("/fapi/v1/premiumIndex", {}, 10),
        ("/fapi/v1/premiumIndex", {"symbol": "BTCUSDT"}, 1),
        ("/fapi/v1/openInterest", {}, 1),
        ("/fapi/v1/exchangeInfo", {}, 1),
        ("/fapi/v1/fundingRate", {}, 0),
        ("/futures/data/openInterestHist", {}, 0),
        ("/fng/", {}, 0),
    ],
)
def test_weights_are_those_of_the_exchange(path: str, query: dict[str, str], weight: int) -> None:
    """Each endpoint costs what the exchange's table says."""
    assert weight_of(path, query) == weight


def ask(limits: RequestLimits, now: int, times: int = 1, path: str = "/fapi/v1/ticker/24hr") -> list[int]:
    return [limits.admit("10.0.0.1", path, {}, now).status for _ in range(times)]


def test_the_minute_is_the_clocks() -> None:
    """2400 are let in, the next is refused until the minute ends, then all is well."""
    limits = RequestLimits()
    assert ask(limits, NOON + 10_000, 60) == [200] * 60
    refused = limits.admit("10.0.0.1", "/fapi/v1/ping", {}, NOON + 15_000)
    assert (refused.status, refused.used, refused.retry_after_ms) == (429, 2_401, 45_000)
    assert ask(limits, NOON + 60_000) == [200]
    assert limits.weight_peak == 2_401


def test_going_on_is_a_ban_that_doubles() -> None:
    """After the patience with 429 comes 418 for two minutes, for any request; the next ban is longer."""
    limits = RequestLimits()
    ask(limits, NOON, 60)
    assert ask(limits, NOON, PATIENCE) == [429] * PATIENCE
    first = limits.admit("10.0.0.1", "/fapi/v1/ping", {}, NOON)
    assert (first.status, first.banned_until) == (418, NOON + 120_000)
    assert limits.admit("10.0.0.1", "/fapi/v1/ping", {}, NOON + 119_999).status == 418
    assert limits.admit("10.0.0.1", "/fapi/v1/ping", {}, NOON + 120_000).status == 200
    limits.ban("10.0.0.1", NOON + 180_000)
    assert limits.admit("10.0.0.1", "/fapi/v1/ping", {}, NOON + 180_000).retry_after_ms == 240_000


def test_the_side_pools_are_apart() -> None:
    """Derivatives history has 1000 requests a five minutes, funding 500; neither touches the weight."""
    limits = RequestLimits()
    assert ask(limits, NOON, 1_001, "/futures/data/openInterestHist")[-2:] == [200, 429]
    assert ask(limits, NOON, 501, "/fapi/v1/fundingRate")[-2:] == [200, 429]
    assert limits.admit("10.0.0.1", "/fapi/v1/ping", {}, NOON).status == 200
    assert ask(limits, NOON + POOL_MS, 1, "/futures/data/openInterestHist") == [200]


def test_addresses_do_not_share() -> None:
    """One visitor's weight is not another's."""
    limits = RequestLimits()
    ask(limits, NOON, 61)
    assert limits.admit("10.0.0.2", "/fapi/v1/ping", {}, NOON).status == 200


def test_limits_that_are_off_still_count() -> None:
    """Without limits nothing is refused, and the peak is reported all the same."""
    limits = RequestLimits(enforced=False)
    assert set(ask(limits, NOON, 100)) == {200}
    assert limits.weight_peak == 4_000
