"""The simulator's markets: determinism, exact aggregates, plausibility, the replay's rules."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from services.simulator.instruments import BAR_MS, bystanders, seeded_contracts
from services.simulator.market.replay import RecordedMarket, grid, taker_share
from services.simulator.market.seeded import MAJORS, SeededMarket
from services.simulator.market.tape import (
    CLOSE,
    FUNDING,
    HIGH,
    LOW,
    OPEN,
    QUOTE,
    TAKER,
    VOLUME,
    Floats,
    NoBarsError,
    Tape,
    aggregate,
    so_far,
)
from shared.contracts import DAY_MS

START = 1_768_222_800_000


def week(symbols: int, seed: int) -> Floats:
    """Return the first seven days of a seeded market."""
    market = SeededMarket(symbols, seed, START)
    return np.concatenate([market.day(number).bars for number in range(7)], axis=2)


def test_the_same_seed_gives_the_same_bytes() -> None:
    """Two markets of one seed agree in every bit, two seeds do not."""
    assert week(5, 3).tobytes() == week(5, 3).tobytes()
    assert week(5, 3).tobytes() != week(5, 4).tobytes()


def test_a_coin_is_the_same_in_a_larger_market() -> None:
    """More symbols do not change the bars of the first ones."""
    assert np.array_equal(week(4, 3)[:, :4], week(12, 3)[:, :4])


def test_bars_are_consistent_and_on_the_grid() -> None:
    """High and low enclose open and close, taker volume is within volume, prices are multiples of the tick."""
    bars = week(30, 1)
    assert np.isfinite(bars).all()
    assert (bars[HIGH] >= np.maximum(bars[OPEN], bars[CLOSE])).all()
    assert (bars[LOW] <= np.minimum(bars[OPEN], bars[CLOSE])).all()
    assert (bars[LOW] > 0).all()
    assert (bars[TAKER] <= bars[VOLUME]).all()
    tick = np.array([contract.tick for contract in SeededMarket(30, 1, START).contracts])[:, None]
    assert np.abs(bars[CLOSE] / tick - np.round(bars[CLOSE] / tick)).max() < 1e-6


def test_the_market_behaves_like_one() -> None:
    """Fat tails, clustered volatility, correlation with Bitcoin, volume with movement, taker flow with price."""
    bars = week(30, 1)
    returns = np.diff(np.log(bars[CLOSE]), axis=1)
    scaled = returns / returns.std(axis=1, keepdims=True)
    assert np.median((scaled**4).mean(axis=1)) > 4.0
    size = np.abs(returns)
    assert np.median([np.corrcoef(row[:-6], row[6:])[0, 1] for row in size]) > 0.1
    assert 0.25 < np.median([np.corrcoef(returns[0], row)[0, 1] for row in returns[1:]]) < 0.85
    assert np.median([np.corrcoef(np.log(v), s)[0, 1] for v, s in zip(bars[VOLUME, :, 1:], size, strict=True)]) > 0.3
    share = bars[TAKER, :, 1:] / bars[VOLUME, :, 1:]
    assert np.median([np.corrcoef(one, row)[0, 1] for one, row in zip(share, returns, strict=True)]) > 0.5


def test_derivatives_react_and_stay_plausible() -> None:
    """Funding goes with the trend, the crowd against it, and open interest neither explodes nor vanishes."""
    market = SeededMarket(20, 2, START)
    days = [market.day(number) for number in range(14)]
    series = np.concatenate([day.derivatives for day in days], axis=2)
    close = np.concatenate([day.bars[CLOSE] for day in days], axis=1)
    assert np.isfinite(series).all()
    moved = np.log(close[:, 96:] / close[:, :-96])
    assert np.median([np.corrcoef(a, b)[0, 1] for a, b in zip(series[FUNDING, :, 96:], moved, strict=True)]) > 0.3
    assert np.median([np.corrcoef(a, b)[0, 1] for a, b in zip(series[1, :, 96:], moved, strict=True)]) < -0.3
    growth = series[0, :, -1] / series[0, :, 0]
    assert ((growth > 0.3) & (growth < 3.0)).all()


@pytest.mark.parametrize("interval", ["15m", "1h", "4h"])
def test_higher_bars_are_exact_aggregates(interval: str) -> None:
    """Each higher bar on the tape is made of its own five-minute bars, UTC-aligned."""
    tape = Tape(SeededMarket(4, 1, START))
    tape.reach(START)
    width = {"15m": 3, "1h": 12, "4h": 48}[interval]
    last = tape.frontier // BAR_MS // width
    wide = tape.bars(2, interval, last - 20, last)
    small = tape.bars(2, "5m", (last - 20) * width, last * width).reshape(9, 20, width)
    assert np.array_equal(wide[OPEN], small[OPEN, :, 0])
    assert np.array_equal(wide[CLOSE], small[CLOSE, :, -1])
    assert np.array_equal(wide[HIGH], small[HIGH].max(axis=1))
    assert np.array_equal(wide[LOW], small[LOW].min(axis=1))
    assert np.allclose(wide[VOLUME], small[VOLUME].sum(axis=1), rtol=1e-12)


def test_aggregating_leaves_holes_out() -> None:
    """Missing bars neither spoil a higher bar nor pass for trades; a bar of holes only is a hole."""
    bars = np.full((9, 1, 6), np.nan)
    bars[:, 0, 1] = (10, 12, 9, 11, 5, 50, 2, 3, 30)
    wide = aggregate(bars, 3)
    assert wide[:, 0, 0].tolist() == [10, 12, 9, 11, 5, 50, 2, 3, 30]
    assert np.isnan(wide[OPEN, 0, 1])


def test_a_bar_so_far_grows_into_the_bar() -> None:
    """High, low and volume so far are monotone and never beyond the bar's own."""
    bar = np.array([100.0, 104.0, 98.0, 103.0, 50.0, 5_000.0, 10.0, 30.0, 3_000.0])
    grown = [so_far(bar, fraction, np.array(0.1), np.array(0.01)) for fraction in np.linspace(0, 0.999, 40)]
    assert all(a[HIGH] <= b[HIGH] and a[LOW] >= b[LOW] and a[VOLUME] <= b[VOLUME] for a, b in itertools.pairwise(grown))
    assert grown[0][HIGH] == grown[0][LOW] == 100.0
    assert grown[-1][[HIGH, LOW]].tolist() == [104.0, 98.0]
    assert all(shown[LOW] <= shown[CLOSE] <= shown[HIGH] for shown in grown)


def test_the_list_holds_what_a_scanner_must_skip() -> None:
    """Every contract that a USDT coin scanner refuses is listed for another reason."""
    contracts, _ = seeded_contracts(20, 1, START)
    assert all(contract.tradable for contract in contracts)
    assert not any(contract.tradable for contract in bystanders(contracts))
    assert not all(contract.symbol.isascii() for contract in contracts)
    assert {"BTCUSDT", "ETHUSDT", "SOLUSDT", "1000PEPEUSDT"} <= {contract.symbol for contract in contracts}
    young = [contract for contract in contracts if contract.onboard > START - 50 * DAY_MS]
    assert len(young) == 1
    assert len({contract.symbol for contract in seeded_contracts(600, 1, START)[0]}) == 600


def recording(path: Path, *, days: int = 3, without: tuple[int, ...] = ()) -> pd.DataFrame:
    """Write a small recording and return it."""
    count = days * 288
    generator = np.random.default_rng(5)
    close = np.round(100 * np.exp(np.cumsum(generator.normal(0, 0.002, count))), 2)
    opened = np.concatenate([[100.0], close[:-1]])
    frame = pd.DataFrame(
        {
            "open_time": 1_751_587_200_000 + np.arange(count) * BAR_MS,
            "open": opened,
            "high": np.maximum(opened, close) + 0.05,
            "low": np.minimum(opened, close) - 0.03,
            "close": close,
            "volume": np.round(generator.gamma(2.0, 10.0, count), 3),
        }
    ).drop(index=list(without))
    frame["close_time"] = frame["open_time"] + BAR_MS - 1
    frame.to_parquet(path)
    return frame


def test_a_recording_plays_as_it_is(tmp_path: Path) -> None:
    """Prices and volumes come out as recorded, holes stay holes, what is estimated is named."""
    frame = recording(tmp_path / "BTCUSDT.parquet", without=(400, 401))
    market = RecordedMarket(tmp_path, 10)
    tape = Tape(market)
    tape.reach(int(frame["open_time"].iloc[-1]))
    bars = tape.bars(0, "5m", market.genesis // BAR_MS, market.genesis // BAR_MS + 864)
    there = ~np.isnan(bars[OPEN])
    assert np.flatnonzero(~there).tolist() == [400, 401]
    assert np.array_equal(bars[: VOLUME + 1, there], frame[["open", "high", "low", "close", "volume"]].to_numpy().T)
    assert market.estimated == ("taker", "quote_volume", "derivatives", "depth")
    assert market.contracts[0].tick == 0.01
    assert np.isfinite(tape.series(0, market.genesis // BAR_MS, market.genesis // BAR_MS + 864)).all()


def test_what_a_recording_has_is_not_estimated(tmp_path: Path) -> None:
    """A CSV in twelve columns, with or without a header, keeps its own quote and taker volumes."""
    frame = recording(tmp_path / "x.parquet")
    (tmp_path / "x.parquet").unlink()
    frame = frame.assign(
        quote_volume=frame["volume"] * 100, count=7, taker_buy_volume=1.5, taker_buy_quote_volume=150.0, ignore=0
    )
    frame["taker_buy_volume"] = np.round(frame["volume"] / 2, 3)
    frame.to_csv(tmp_path / "BTCUSDT-5m-2025-07.csv", index=False)
    frame.to_csv(tmp_path / "ETHUSDT.csv", index=False, header=False)
    market = RecordedMarket(tmp_path, 10)
    assert market.estimated == ("derivatives", "depth")
    assert [contract.symbol for contract in market.contracts] == ["BTCUSDT", "ETHUSDT"]
    day = market.day(0).bars
    assert np.allclose(day[QUOTE], day[VOLUME] * 100, atol=1e-4)
    assert np.array_equal(day[TAKER, 0], day[TAKER, 1])


@pytest.mark.parametrize("minutes", [1, 60])
def test_bars_of_another_interval_are_refused(tmp_path: Path, minutes: int) -> None:
    """Hours taken for five minutes would be a market full of holes."""
    frame = recording(tmp_path / "BTCUSDT.parquet")
    frame["open_time"] = frame["open_time"].iloc[0] + np.arange(len(frame)) * minutes * 60_000
    frame.to_parquet(tmp_path / "BTCUSDT.parquet")
    with pytest.raises(NoBarsError, match=f"{minutes} min apart"):
        RecordedMarket(tmp_path, 5)


def test_the_rule_for_the_taker_share() -> None:
    """A close at the high means 65 % bought by takers, at the low 35 %, a flat bar half."""
    bars = np.zeros((9, 3))
    bars[HIGH], bars[LOW], bars[CLOSE] = (2, 2, 1), (1, 1, 1), (2, 1, 1)
    assert taker_share(bars).tolist() == pytest.approx([0.65, 0.35, 0.5])


@pytest.mark.parametrize(
    ("values", "step"), [([1.5, 2.25, 3.0], 0.05), ([100.0, 250.0], 5.0), ([0.0001234], 2e-7), ([12.0, 13.0], 1.0)]
)
def test_the_tick_is_read_off_the_prices(values: list[float], step: float) -> None:
    """The grid is as coarse as the numbers allow, in steps of 1, 2 or 5."""
    assert grid([np.array(values)]) == step


def test_a_few_coins_go_their_own_way() -> None:
    """Some of the smaller coins have bars of far more volume than usual, and these follow Bitcoin the least."""
    bars = week(50, 7)
    returns = np.diff(np.log(bars[CLOSE]), axis=1)
    follows = np.array([np.corrcoef(returns[0], row)[0, 1] for row in returns])
    volume = bars[QUOTE] / np.median(bars[QUOTE], axis=1, keepdims=True)
    shocked = (volume > 40.0).sum(axis=1) >= 2
    assert 2 <= shocked.sum() <= 12
    assert not shocked[:MAJORS].any()
    assert follows[shocked].mean() < 0.5 * follows[~shocked].mean()
