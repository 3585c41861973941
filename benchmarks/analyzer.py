"""The analyzer's cost, as ratios within one run: python -m benchmarks.analyzer [--symbols 150] [--bus]

Measures over SYMBOLS × 4 timeframes × 998 bars of random walks: the indicator part against the bare TA-Lib calls
that the same indicators take, over the same bars, and against those that it still makes; the whole analysis against
`ta`'s classes for the indicators that it has, and against itself with kernels as they are written; the split of an
analysis by part, resident memory, and with --bus the throughput of 1 and 2 workers through an embedded Valkey.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import psutil

from services.analyzer.domain import analysis
from services.analyzer.domain.chart.window import Window
from services.analyzer.domain.indicator import catalogue, compute_recent
from services.analyzer.domain.numeric import talib
from services.analyzer.handler import analyse
from shared.bus import RedisBus, to_wire
from shared.contracts import (
    FULL_BARS,
    INTERVALS,
    Bars,
    Interval,
    MarketSnapshot,
    SettingsChanged,
    Stream,
    encode,
    pack,
)
from shared.kernels import KERNELS, plain_kernels, uncompiled
from shared.settings import RuntimeSettings

ROOT = Path(__file__).resolve().parents[1]
BARS = FULL_BARS
MIDNIGHT = 1_757_376_000_000
ROUNDS = 15
WARM = 100  #: snapshots that a worker has analysed before its throughput is measured
SCANS = 4  #: that are measured
WINDOWS_AT_ONCE = 4  #: a symbol's
Floats = np.ndarray[Any, np.dtype[np.float64]]
UNCOMPILED = 4  #: symbols that are analysed with kernels as they are written
TA_SYMBOLS = 1  #: a round: `ta` takes a third of a second for each


def matrix(interval: str, seed: int, end: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return a full window of bars of a random walk that end at *end*, with an exchange's decimals."""
    random = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(random.normal(0, 0.004, BARS)))
    opened = np.concatenate(([100.0], close[:-1]))
    high = np.maximum(opened, close) * (1 + np.abs(random.normal(0, 0.002, BARS)))
    low = np.minimum(opened, close) * (1 - np.abs(random.normal(0, 0.002, BARS)))
    volume = random.lognormal(6, 0.6, BARS)
    length = INTERVALS[interval]  # type: ignore[index]
    times = end - length * np.arange(BARS, 0, -1.0)
    prices, volume = np.round([opened, high, low, close], 4), np.round(volume, 1)
    return np.stack([times, *prices, volume, np.round(volume * close, 4), np.round(volume * 0.5, 1)])


def snapshot(number: int) -> MarketSnapshot:
    """Return one symbol's snapshot; BTC's closes are the same for all."""
    bars: dict[str, Bars] = {
        name: Bars.of(name, matrix(name, 4 * number + at, MIDNIGHT)) for at, name in enumerate(INTERVALS)
    }
    return MarketSnapshot(
        symbol=f"C{number}USDT",
        scan_id=MIDNIGHT,
        settings_version=1,
        tick_size=0.0001,
        bars=bars,
        btc_close=pack(matrix("5m", 10**6, MIDNIGHT)[4]),
    )


class Recorder:
    """TA-Lib that notes each call: the bare calls are exactly those that the indicator part makes."""

    def __init__(self) -> None:
        self.calls: list[tuple[Callable[..., object], tuple[Any, ...]]] = []

    def __getattr__(self, name: str) -> Callable[..., object]:
        function = getattr(talib, name)

        def noted(*arguments: Any) -> object:
            self.calls.append((function, arguments))
            return function(*arguments)

        return noted


def calls_of(windows: list[Window]) -> list[tuple[Callable[..., object], tuple[Any, ...]]]:
    """Return every TA-Lib call of the indicator part over *windows*, with its arguments."""
    catalogue()  # its modules are imported before they are looked for
    recorder = Recorder()
    modules = [module for name, module in sys.modules.items() if name.startswith("services.analyzer.domain")]
    users = [module for module in modules if getattr(module, "talib", None) is talib]
    for module in users:
        setattr(module, "talib", recorder)  # noqa: B010
    for window in windows:
        compute_recent([window])
    for module in users:
        setattr(module, "talib", talib)  # noqa: B010
    return recorder.calls


def in_talib(window: Window) -> list[tuple[Callable[..., object], tuple[Any, ...]]]:
    """Return the TA-Lib calls that the indicators take where nothing else is used, with their arguments."""
    recent = window.recent
    bar, close, spread = (recent.high, recent.low, recent.close), recent.close, recent.high - recent.low
    calls: list[tuple[Callable[..., object], tuple[Any, ...]]] = [
        (function, (*bar, 14)) for function in (talib.ADX, talib.PLUS_DI, talib.MINUS_DI, talib.ATR, talib.WILLR)
    ]
    calls += [(talib.ATR, (*bar, 10)), (talib.CCI, (*bar, 20)), (talib.TRANGE, bar), (talib.TYPPRICE, bar)]
    calls += [(talib.EMA, (window.close, period)) for period in (20, 50, 100, 200)]
    calls += [(talib.EMA, (close, period)) for period in (9, 12, 26)]
    calls += [(talib.MIDPRICE, (*bar[:2], period)) for period in (9, 20, 26, 52)]
    calls += [(talib.SMA, (close, period)) for period in (3, 3, 20, 20, 20, 100)]
    calls += [(talib.MEDPRICE, bar[:2]), (talib.SAR, (*bar[:2], 0.02, 0.2)), (talib.OBV, (close, recent.volume))]
    calls += [(talib.MOM, (close, 1)), (talib.RSI, (close, 14)), (talib.MAX, (close, 14)), (talib.MIN, (close, 14))]
    calls += [(talib.LINEARREG, (close, 20)), (talib.STDDEV, (close, 20, 2.0))]
    return calls + [(talib.SUM, (spread, 14))] * 2


def repeat(calls: list[tuple[Callable[..., object], tuple[Any, ...]]]) -> None:
    """Make *calls* again, and do nothing else."""
    for function, arguments in calls:
        function(*arguments)


def listed(calls: list[tuple[Callable[..., object], tuple[Any, ...]]]) -> str:
    """Return the calls' names with their parameters, and how often each is made."""
    counts: dict[str, int] = {}
    for function, arguments in calls:
        parameters = ", ".join(f"{part:g}" for part in arguments if isinstance(part, int | float))
        name = f"{function.__name__}({parameters})" if parameters else function.__name__
        counts[name] = counts.get(name, 0) + 1
    return ", ".join(name if count == 1 else f"{count} {name}" for name, count in sorted(counts.items()))


def with_ta(window: Window) -> None:
    """Compute the indicators that `ta` has with its own classes."""
    import pandas as pd  # noqa: PLC0415
    from ta import momentum, trend, volatility, volume  # noqa: PLC0415

    high, low, close, traded = (pd.Series(row) for row in (window.high, window.low, window.close, window.volume))
    for period in (20, 50, 100, 200):
        trend.EMAIndicator(close, period).ema_indicator()
    trend.PSARIndicator(high, low, close).psar()
    cloud = trend.IchimokuIndicator(high, low)
    adx = trend.ADXIndicator(high, low, close)
    macd = trend.MACD(close)
    stochastic = momentum.StochRSIIndicator(close)
    bands = volatility.BollingerBands(close)
    keltner = volatility.KeltnerChannel(high, low, close)
    for answer in (
        cloud.ichimoku_conversion_line, cloud.ichimoku_base_line, cloud.ichimoku_a, cloud.ichimoku_b, adx.adx,
        adx.adx_pos, adx.adx_neg, macd.macd, macd.macd_signal, macd.macd_diff, stochastic.stochrsi_k,
        stochastic.stochrsi_d, bands.bollinger_hband, bands.bollinger_lband, keltner.keltner_channel_hband,
        keltner.keltner_channel_lband,
    ):  # fmt: skip
        answer()
    momentum.RSIIndicator(close).rsi()
    momentum.WilliamsRIndicator(high, low, close).williams_r()
    trend.CCIIndicator(high, low, close).cci()
    volume.OnBalanceVolumeIndicator(close, traded).on_balance_volume()
    volume.MFIIndicator(high, low, close, traded).money_flow_index()
    volume.VolumeWeightedAveragePrice(high, low, close, traded).volume_weighted_average_price()
    volatility.AverageTrueRange(high, low, close).average_true_range()


def each(work: Callable[[Window], None], windows: list[Window]) -> None:
    """Do *work* on every window."""
    for window in windows:
        work(window)


def indicators(matrices: list[tuple[Interval, Floats]]) -> float:
    """Return the CPU seconds of computing every indicator, a symbol's windows at a time, as in the service.

    The results are not kept, as there: touching fresh memory would cost more than the work.
    """
    total = 0.0
    for start in range(0, len(matrices), WINDOWS_AT_ONCE):
        windows = [Window(name, rows) for name, rows in matrices[start : start + WINDOWS_AT_ONCE]]
        began = time.process_time()
        compute_recent(windows)
        total += time.process_time() - began
    return total


def analyses(snapshots: list[MarketSnapshot], settings: RuntimeSettings) -> None:
    """Analyse every snapshot, and keep nothing."""
    for one in snapshots:
        analyse(one, settings)


def seconds(work: Callable[[], object]) -> float:
    """Return the CPU time of *work*: other processes' load does not count, but for what they take of the caches."""
    began = time.process_time()
    work()
    return time.process_time() - began


def measure(symbols: int) -> None:
    """Print the ratios and the split.

    What is compared is measured in turn, round after round, so that a busy moment falls on both; figures are medians.
    """
    print(f"resident memory after import: {psutil.Process().memory_info().rss / 2**20:.0f} MB")
    snapshots = [snapshot(number) for number in range(symbols)]
    matrices: list[tuple[Interval, Floats]] = [
        (bars.interval, bars.matrix) for one in snapshots for bars in one.bars.values()
    ]
    settings = RuntimeSettings()
    analyse(snapshots[0], settings)
    each(with_ta, [Window("5m", matrices[0][1])])  # what it imports is not what it costs
    windows = [Window(name, rows) for name, rows in matrices]
    calls = calls_of(windows)
    print(f"TA-Lib calls that one window makes: {listed(calls[: len(calls) // len(windows)])}")
    same = [call for window in windows for call in in_talib(window)]
    print(f"those that the same indicators take: {listed(in_talib(windows[0]))}")
    print(f"kernels: {len(KERNELS) - len(plain_kernels())} of {len(KERNELS)} compiled")
    rounds = []
    gc.freeze()  # as in the service, here for both sides
    for number in range(ROUNDS):
        few = windows[4 * TA_SYMBOLS * number :][: 4 * TA_SYMBOLS] or windows[: 4 * TA_SYMBOLS]
        rounds.append(
            (
                seconds(lambda: repeat(calls)),
                seconds(lambda: repeat(same)),
                indicators(matrices),
                seconds(lambda: analyses(snapshots, settings)),
                seconds(lambda: each(with_ta, few)) * 4 * symbols / len(few),  # noqa: B023
            )
        )
    made, bare, ours, whole, theirs = np.array(rounds).T
    with uncompiled():
        analyse(snapshots[0], settings)
        written = seconds(lambda: analyses(snapshots[:UNCOMPILED], settings)) * symbols / UNCOMPILED
    print(f"{symbols} symbols x 4 x {BARS} bars, CPU seconds, medians of {ROUNDS} rounds in turn")
    print(f"bare TA-Lib calls    {np.median(bare):8.3f}")
    print(f"  those it makes     {np.median(made):8.3f}")
    print(f"indicator part       {np.median(ours):8.3f}   {ratio(ours, bare)} x bare (wanted: at most 1.2)")
    print(f"whole analysis       {np.median(whole):8.3f}   {np.median(whole) / symbols * 1_000:.2f} ms a symbol")
    print(f"ta's classes         {np.median(theirs):8.3f}   {ratio(theirs, whole)} x the whole (wanted: at least 280)")
    print(f"kernels as written   {written:8.3f}   {written / np.median(whole):.1f} x the whole")
    split(snapshots, settings)


def ratio(above: Floats, below: Floats) -> str:
    """Return the median of the rounds' ratios and their range."""
    each_round = above / below
    return f"{np.median(each_round):.2f} ({each_round.min():.2f} to {each_round.max():.2f})"


#: the stages of an analysis, in their order, as `analysis.analyse` calls them
STAGES = (
    "problem_of", "open_windows", "compute_series", "draw_charts", "cast_votes", "score_sides", "judge_quality",
    "plan_trade", "measure_agreement", "weigh_outlook", "record",
)  # fmt: skip


@contextmanager
def timed() -> Iterator[dict[str, float]]:
    """Replace each stage by one that adds its seconds to what is yielded."""
    parts = dict.fromkeys(STAGES, 0.0)
    stages = {name: getattr(analysis, name) for name in STAGES}

    def stopwatch(name: str) -> Callable[[object], object]:
        def measured(given: object) -> object:
            began = time.perf_counter()
            answer = stages[name](given)
            parts[name] += time.perf_counter() - began
            return answer

        return measured

    for name in STAGES:
        setattr(analysis, name, stopwatch(name))
    yield parts
    for name, stage in stages.items():
        setattr(analysis, name, stage)


def split(snapshots: list[MarketSnapshot], settings: RuntimeSettings) -> None:
    """Print where the time goes, by a stopwatch around each stage."""
    with timed() as parts:
        answers = [analyse(one, settings) for one in snapshots]
    parts["encode"] = seconds(lambda: [encode(answer) for answer in answers])
    total = sum(parts.values())
    for name, spent in parts.items():
        print(f"  {name:<20}{spent / len(answers) * 1_000:7.3f} ms  {spent / total:5.1%}")


async def throughput(url: str, workers: int, symbols: int) -> float:
    """Return analyses a second through the bus with so many workers, once all of them are warm."""
    bus = RedisBus(url)
    await bus.redis.flushall()
    await bus.publish_settings(SettingsChanged(version=1, value=RuntimeSettings().dump(), at=0))
    environment = {**os.environ, "SEVENGATE_REDIS_URL": url, "SEVENGATE_LOG_LEVEL": "error"}
    command = [sys.executable, "-m", "services.analyzer"]
    processes = [subprocess.Popen(command, cwd=ROOT, env=environment) for _ in range(workers)]  # noqa: ASYNC220
    watched = [psutil.Process(process.pid) for process in processes]
    snapshots = [to_wire(snapshot(number)) for number in range(symbols)]  # not while the clock runs
    try:
        await analysed(bus, snapshots[:WARM] * workers)
        spent, began = processor(watched), time.monotonic()
        await analysed(bus, snapshots * SCANS)
        elapsed = time.monotonic() - began
        memory = max(process.memory_info().rss for process in watched)
        each = (processor(watched) - spent) / (SCANS * symbols) * 1_000
        rate = SCANS * symbols / elapsed
        print(f"{workers} worker(s): {rate:.0f} a second, {each:.2f} ms CPU each, at most {memory / 2**20:.0f} MB")
        return rate
    finally:
        for process in processes:
            process.terminate()
            process.wait()
        await bus.close()


def processor(processes: list[psutil.Process]) -> float:
    """Return the CPU seconds that *processes* have had."""
    return sum(sum(process.cpu_times()[:2]) for process in processes)


async def analysed(bus: RedisBus, snapshots: list[bytes]) -> None:
    """Put *snapshots* on the bus and wait until all are analysed."""
    await bus.redis.delete(bus.key(Stream.ANALYSES))
    async with bus.redis.pipeline(transaction=False) as pipe:
        for data in snapshots:
            pipe.xadd(bus.key(Stream.SNAPSHOTS), {"d": data})
        await pipe.execute()
    while await bus.redis.xlen(bus.key(Stream.ANALYSES)) < len(snapshots):
        await asyncio.sleep(0.02)


def through_the_bus(symbols: int) -> None:
    """Measure 1 and 2 workers on an embedded Valkey."""
    from services.terminal.local import stores  # noqa: PLC0415

    with TemporaryDirectory() as folder:
        store = stores.valkey(Path(folder), durable=False)
        server = subprocess.Popen(store.argv, stdout=subprocess.DEVNULL)
        try:
            stores.wait_for_valkey(store.url)
            one = asyncio.run(throughput(store.url, 1, symbols))
            two = asyncio.run(throughput(store.url, 2, symbols))
            print(f"2 workers do {two / one:.2f} x what 1 does; {os.cpu_count()} cores, shared with the bus")
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--symbols", type=int, default=150)
    parser.add_argument("--bus", action="store_true")
    options = parser.parse_args()
    measure(options.symbols)
    if options.bus:
        through_the_bus(options.symbols)
