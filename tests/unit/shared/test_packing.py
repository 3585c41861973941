"""A snapshot's numbers travel as few bytes and come back bit by bit, whatever they are."""

from __future__ import annotations

import contextlib
import math
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from shared.bus.packing import pack, unpack
from shared.bus.wire import PACKED, UNREADABLE, from_wire, to_wire
from shared.contracts import (
    COLUMNS,
    INTERVALS,
    Bars,
    Depth,
    Derivatives,
    Floats,
    Interval,
    MarketSnapshot,
    Points,
    decode,
    encode,
)
from shared.contracts import (
    pack as floats,
)

GOLDEN = Path(__file__).parent / "packed_1.hex"
SPECIAL = [0.0, -0.0, math.nan, -math.nan, math.inf, -math.inf, 1e-8, 1e12, 0.1 + 0.2, 5e-324, 1.7e308, -1e300, 2.0**53]

numbers = st.one_of(
    st.sampled_from(SPECIAL),
    st.floats(),
    st.decimals(-1_000_000, 1_000_000, places=8).map(float),
    st.integers(-(10**12), 10**12).map(float),
)


def snapshot(bars: dict[Interval, Floats], series: list[Floats] | None = None) -> MarketSnapshot:
    """Return a snapshot with these bars, and as many other numbers as *series* has."""
    others = [floats(values) for values in series or [np.empty(0)] * 3]
    return MarketSnapshot(
        symbol="ÄUSDT",
        scan_id=1_768_224_900_000,
        settings_version=7,
        tick_size=0.01,
        bars={name: Bars.of(name, matrix) for name, matrix in bars.items()},
        btc_close=others[0],
        derivatives=Derivatives(open_interest=Points(times=others[1], values=others[2]), funding_rate=0.0001),
        depth=Depth(at=5, bids=floats([1.0, 2.0]), asks=floats([1.1, 2.0])),
        problems=("zero volume",),
    )


def market(count: int, *, tick: float = 0.01, lot: float = 0.001, seed: int = 1) -> Floats:
    """Return *count* bars as an exchange writes them, to the *tick* and the *lot*."""
    chance = np.random.default_rng(seed)
    per_tick, per_lot = round(1 / tick), round(1 / lot)
    close = np.rint(10_000 * tick * np.exp(np.cumsum(chance.normal(0, 0.003, count))) * per_tick)
    opened = np.concatenate((close[:1], close[:-1]))
    high = np.maximum(opened, close) + chance.integers(0, 30, count)
    low = np.minimum(opened, close) - chance.integers(0, 30, count)
    volume = np.rint(chance.lognormal(5, 1, count) * per_lot)
    taker = np.rint(volume * chance.uniform(0.3, 0.7, count))
    turnover = np.rint(volume * (high + low) / 2) / (per_tick * per_lot)
    times = 300_000.0 * np.arange(count)
    prices = np.array([opened, high, low, close]) / per_tick
    return np.array([times, *prices, volume / per_lot, turnover, taker / per_lot])


@given(st.data())
def test_any_numbers_come_back_bit_by_bit(data: st.DataObject) -> None:
    """Numbers of any kind and columns of any length are the same afterwards, NaN and -0.0 included."""
    counts = data.draw(st.lists(st.integers(0, 12), min_size=len(INTERVALS), max_size=len(INTERVALS)))
    bars = {
        name: data.draw(arrays(np.float64, (len(COLUMNS), count), elements=numbers))
        for name, count in zip(INTERVALS, counts, strict=True)
    }
    series = [data.draw(arrays(np.float64, st.integers(0, 12), elements=numbers)) for _ in range(3)]
    sent = snapshot(bars, series)
    assert from_wire(to_wire(sent)) == sent


@given(
    st.integers(1, 600),
    st.sampled_from([1e-8, 1e-4, 0.01, 0.5, 1.0]),
    st.sampled_from([1e-8, 0.001, 1.0]),
    st.lists(st.tuples(st.integers(1, 7), st.integers(0, 599), st.sampled_from(SPECIAL)), max_size=8),
)
def test_bars_with_odd_numbers_among_them_come_back(
    count: int, tick: float, lot: float, odd: list[tuple[int, int, float]]
) -> None:
    """Some numbers that no exchange writes change neither themselves nor the others."""
    bars = market(count, tick=tick, lot=lot)
    for row, column, number in odd:
        bars[row, column % count] = number
    sent = snapshot({"5m": bars, "1h": market(count, seed=2)})
    assert from_wire(to_wire(sent)) == sent


@pytest.mark.parametrize("row", [COLUMNS.index("quote_volume"), COLUMNS.index("taker_buy_volume")])
def test_rows_that_are_not_known_cost_nothing(row: int) -> None:
    """Turnover or taker volume that is all NaN comes back as it was, and takes no room."""
    bars = {name: market(499, seed=number) for number, name in enumerate(INTERVALS)}
    known = len(to_wire(snapshot(bars)))
    for matrix in bars.values():
        matrix[row] = math.nan
    sent = snapshot(bars)
    assert from_wire(to_wire(sent)) == sent
    assert len(to_wire(sent)) < known - 2 * 4 * 499


def test_bars_travel_as_few_bytes() -> None:
    """An exchange's bars need less than a fifth of their floats' bytes; sums that are off by a bit hurt little."""
    bars = {name: market(499, seed=number) for number, name in enumerate(INTERVALS)}
    packed, plain = len(to_wire(snapshot(bars))), sum(matrix.nbytes for matrix in bars.values())
    assert packed < 0.2 * plain
    for name in ("15m", "1h", "4h"):
        bars[name][5:, 3:] = sum(bars[name][5:, start : 496 + start] for start in range(3))
    assert len(to_wire(snapshot(bars))) < 0.26 * plain


def test_recorded_bars_come_back(shared_data: Path) -> None:
    """A year's kinds of coins, from fractions of a cent to Bitcoin: every window is the same afterwards."""
    for path in sorted((shared_data / "market/um_5m").glob("*.parquet")):
        table = pd.read_parquet(path).tail(2_000)
        columns = [table[name].to_numpy(np.float64) for name in COLUMNS[:6]]
        five = np.array([*columns, columns[5] * columns[4], np.full(len(table), math.nan)])
        bars: dict[Interval, Floats] = {"5m": five[:, -499:], "1h": five[:, :499], "4h": five[:, 700:1_698]}
        sent = snapshot(bars, [five[4, -499:], five[0, -288:], five[5, -288:]])
        assert from_wire(to_wire(sent)) == sent


def test_what_has_no_whole_columns_travels_as_it_is() -> None:
    """A snapshot without bars, or with a column that was cut off, is encoded like any message."""
    empty = msgspec.structs.replace(snapshot({}), bars={})
    cut_off = msgspec.structs.replace(snapshot({}), bars={"5m": Bars(interval="5m", columns=b"12345678")})
    for sent in (empty, cut_off):
        assert not to_wire(sent).startswith(PACKED)
        assert from_wire(to_wire(sent)) == sent


def test_what_an_earlier_version_wrote_is_read() -> None:
    """Snapshots that are on the bus or among the dead letters when Sevengate is upgraded are not lost."""
    sent = snapshot({"5m": market(499)})
    assert from_wire(encode(sent)) == sent
    assert from_wire(bytes.fromhex(GOLDEN.read_text())) == snapshot({"5m": market(3), "15m": market(2, seed=2)})


def test_the_form_is_the_golden_one() -> None:
    """Another form needs another number in `PACKED`, and a reader of this one."""
    assert (PACKED + pack(snapshot({"5m": market(3), "15m": market(2, seed=2)}))).hex() == GOLDEN.read_text().strip()


@given(st.data())
def test_damaged_bytes_are_refused(data: st.DataObject) -> None:
    """Bytes that were cut off or changed give another snapshot or what readers expect, and no other error."""
    packed = bytearray(pack(snapshot({"5m": market(5)})))
    for at in data.draw(st.lists(st.integers(0, len(packed) - 1), max_size=3)):
        packed[at] = data.draw(st.integers(0, 255))
    with contextlib.suppress(*UNREADABLE):
        unpack(bytes(packed[: data.draw(st.integers(0, len(packed)))]))


def test_a_later_form_is_refused() -> None:
    """What a newer version has packed is no message here; as a dead letter it can be put back later."""
    with pytest.raises(UNREADABLE):
        from_wire(b"\xc1\x02" + pack(snapshot({"5m": market(5)})))
    with pytest.raises(msgspec.DecodeError):
        decode(PACKED)
