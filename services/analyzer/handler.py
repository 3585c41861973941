"""The analyzer's pure part: snapshots in, analyses out, the scan's shared work done once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import msgspec

from services.analyzer.domain import analysis
from services.analyzer.domain.radar.anomaly import Benchmark, benchmark
from shared.bus.contract import Commit, Delivery
from shared.contracts import NO_RECORD, Analysis, MarketSnapshot, RecordChanged, Stream, unpack
from shared.settings import RuntimeSettings


@lru_cache(maxsize=4)
def btc_benchmark(closes: bytes) -> Benchmark | None:
    """Return what BTC's closes say; every symbol of a scan carries the same ones."""
    return benchmark(unpack(closes)) if closes else None


def analyse(snapshot: MarketSnapshot, settings: RuntimeSettings, past: RecordChanged = NO_RECORD) -> Analysis:
    """Return the analysis of one symbol at one scan; *past* is what earlier signals came to."""
    hours = settings.outcomes.hours
    found = analysis.analyse(snapshot, settings.analysis, btc_benchmark(snapshot.btc_close), past=past, hours=hours)
    if found.anomaly.exceeds(settings.anomaly.volume_z, settings.anomaly.correlation):
        return msgspec.structs.replace(found, aftermath=past.aftermath)
    return found


def _no_record(version: int) -> RecordChanged:
    return NO_RECORD


def handle(
    deliveries: Sequence[Delivery],
    settings_at: Callable[[int], RuntimeSettings],
    record_at: Callable[[int], RecordChanged] = _no_record,
) -> list[Commit | Exception]:
    """Return each delivered snapshot's commit, or the exception that its analysis raised."""
    return [_answer(delivery, settings_at, record_at) for delivery in deliveries]


def _answer(
    delivery: Delivery, settings_at: Callable[[int], RuntimeSettings], record_at: Callable[[int], RecordChanged]
) -> Commit | Exception:
    snapshot = delivery.message
    if not isinstance(snapshot, MarketSnapshot):
        return TypeError(f"{type(snapshot).__name__} does not belong on the snapshots stream")
    try:
        result = analyse(snapshot, settings_at(snapshot.settings_version), record_at(snapshot.record_version))
    except Exception as error:  # one bad snapshot must not hold up the others
        return error
    return Commit(tokens=(delivery.token,), outputs=((Stream.ANALYSES, result),))
