"""How a message travels."""

from __future__ import annotations

import numpy as np
import pytest

from shared.bus.wire import UNREADABLE, ZSTD_MAGIC, PackedSnapshot, from_wire, glance, to_wire
from shared.contracts import Bars, MarketSnapshot, PriceTick, encode


def snapshot() -> MarketSnapshot:
    prices = 100.0 + np.round(np.cumsum(np.random.default_rng(1).standard_normal((8, 499)), axis=1), 2)
    bars = {"5m": Bars.of("5m", prices)}
    return MarketSnapshot(symbol="X", scan_id=300_000, settings_version=1, tick_size=0.01, bars=bars, btc_close=b"")


def test_bars_travel_compressed() -> None:
    """A message with bars is smaller on the wire than its encoding, and comes back as it was."""
    data = to_wire(snapshot())
    assert data.startswith(ZSTD_MAGIC)
    assert len(data) < 0.8 * len(encode(snapshot()))
    assert from_wire(data) == snapshot()


def test_a_small_message_travels_as_it_is() -> None:
    """A few bytes are not worth unpacking."""
    tick = PriceTick(at=1, prices={"BTCUSDT": 1.0})
    assert to_wire(tick) == encode(tick)
    assert from_wire(to_wire(tick)) == tick


@pytest.mark.parametrize("data", [to_wire(snapshot()), encode(snapshot())], ids=["packed", "of an earlier version"])
def test_a_snapshot_at_a_glance_says_what_it_is_of(data: bytes) -> None:
    """Its numbers are there when they are asked for."""
    found = glance(data)
    assert isinstance(found, PackedSnapshot)
    assert (found.symbol, found.scan_id) == ("X", 300_000)
    assert found.read() == snapshot()


def test_at_a_glance_other_messages_are_whole() -> None:
    """Only snapshots are left as they came."""
    tick = PriceTick(at=1, prices={"BTCUSDT": 1.0})
    assert glance(to_wire(tick)) == tick


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"rubbish", id="rubbish"),
        pytest.param(ZSTD_MAGIC + b"rubbish", id="compressed rubbish"),
        pytest.param(to_wire(snapshot())[:-9], id="cut off"),
    ],
)
def test_what_is_no_message_is_refused(data: bytes) -> None:
    """Cut off or invented bytes raise what readers expect, and nothing else."""
    with pytest.raises(UNREADABLE):
        from_wire(data)
    with pytest.raises(UNREADABLE):
        glance(data)
