"""Klines of a CSV file: by headings where there are some, by the exchange's order where there are none."""

from __future__ import annotations

import math

import numpy as np
import pytest

from shared.klines import KlinesError, read_klines, sound

BAR = "1730073600000,5,7,4,6,100"
WHOLE = "1730073600000,5,7,4,6,100,1730073899999,550,12,60,330,0"


@pytest.mark.parametrize(
    ("lines", "bar"),
    [
        ([BAR], [1730073600000, 5, 7, 4, 6, 100, math.nan, math.nan]),
        ([WHOLE], [1730073600000, 5, 7, 4, 6, 100, 550, 60]),
        ([BAR + ",1,2,3,4"], [1730073600000, 5, 7, 4, 6, 100, math.nan, math.nan]),
        (
            ["", "Time;Close;Open;High;Low;Vol", "1730073600;6;5;7;4;100"],
            [1730073600000, 5, 7, 4, 6, 100, math.nan, math.nan],
        ),
        (
            [
                "Open time,Open,High,Low,Close,Volume,Quote asset volume,Taker buy base asset volume",
                "2024-10-28,5,7,4,6,100,,60",
            ],
            [1730073600000, 5, 7, 4, 6, 100, math.nan, 60],
        ),
        (["2024-10-28T02:00:00+02:00,5,7,4,6,100"], [1730073600000, 5, 7, 4, 6, 100, math.nan, math.nan]),
        (
            ["time,open,high,low,close,VWAP,Volume,Volume", "1730073600,5,7,4,6,1,100,3"],
            [1730073600000, 5, 7, 4, 6, 100, math.nan, math.nan],
        ),
    ],
)
def test_columns_are_found(lines: list[str], bar: list[float]) -> None:
    """Names in any order and spelling, a semicolon, a date; without names the first six, and two more of twelve."""
    np.testing.assert_array_equal(read_klines(lines)[:, 0], bar)


@pytest.mark.parametrize("unit", ["", "000"])
def test_the_columns_asked_for_come_in_that_order(unit: str) -> None:
    """Of twelve columns any may be asked for; the last µs of a bar is still its last ms."""
    closed = "1730073899999" + unit.replace("0", "9")
    line = WHOLE.replace("1730073600000", "1730073600000" + unit).replace("1730073899999", closed)
    found = read_klines([line], columns=("count", "close_time", "open_time"))
    assert found[:, 0].tolist() == [12, 1730073899999, 1730073600000]


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([WHOLE, BAR + ",1,2,3,4,5,6,7"], "line 2: 13 columns, the first line has 12"),
        ([WHOLE, WHOLE.replace(",60,", ",inf,")], "line 2: taker_buy_volume is not a number: 'inf'"),
        ([], "no klines in it"),
        (["time,open,high,low,close,volume"], "only a heading"),
        (["time,open,high,low,close", "1730073600,5,7,4,6"], "no column volume"),
        (["1730073600,5,7"], "line 1: 3 columns"),
        ([BAR, "", "1730073900000,5,7,4,,100"], "line 3: close is not a number: ''"),
        ([BAR, "yesterday,5,7,4,6,100"], "line 2: open_time is not a time: 'yesterday'"),
        ([BAR, "nan,5,7,4,6,100"], "line 2: open_time is not a time"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(lines: list[str], words: str) -> None:
    """One sentence says which line and which column."""
    with pytest.raises(KlinesError, match=words):
        read_klines(lines)


@pytest.mark.parametrize(
    "prices", [(5, 4, 4, 6, 1), (5, 7, 5.5, 6, 1), (5, 7, 0, 6, 1), (5, 7, 4, 6, -1), (5, math.nan, 4, 6, 1)]
)
def test_a_bar_is_sound_or_not(prices: tuple[float, ...]) -> None:
    """High and low enclose the rest, prices are above zero, volume is not below it, everything is known."""
    good = [0, 5, 7, 4, 6, 1, math.nan, math.nan]
    assert sound(np.array([good, [0, *prices, math.nan, math.nan]]).T).tolist() == [True, False]
