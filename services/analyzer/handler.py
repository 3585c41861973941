"""The analyzer's pure part: snapshots in, analyses out, the scan's shared work done once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

from services.analyzer.domain import analysis
from services.analyzer.domain.anomaly import Benchmark, benchmark
from shared.bus import Commit, Delivery
from shared.contracts import Analysis, MarketSnapshot, Stream, unpack
from shared.settings import RuntimeSettings


@lru_cache(maxsize=4)
def btc_benchmark(closes: bytes) -> Benchmark | None:
    """Return what BTC's closes say; every symbol of a scan carries the same ones."""
    return benchmark(unpack(closes)) if closes else None


def analyse(snapshot: MarketSnapshot, settings: RuntimeSettings) -> Analysis:
    """Return the analysis of one symbol at one scan."""
    return analysis.analyse(snapshot, settings.analysis, btc_benchmark(snapshot.btc_close))


def handle(deliveries: Sequence[Delivery], settings_at: Callable[[int], RuntimeSettings]) -> list[Commit | Exception]:
    """Return each delivered snapshot's commit, or the exception that its analysis raised."""
    return [_answer(delivery, settings_at) for delivery in deliveries]


def _answer(delivery: Delivery, settings_at: Callable[[int], RuntimeSettings]) -> Commit | Exception:
    snapshot = delivery.message
    if not isinstance(snapshot, MarketSnapshot):
        return TypeError(f"{type(snapshot).__name__} does not belong on the snapshots stream")
    try:
        result = analyse(snapshot, settings_at(snapshot.settings_version))
    except Exception as error:  # one bad snapshot must not hold up the others
        return error
    return Commit(tokens=(delivery.token,), outputs=((Stream.ANALYSES, result),))
