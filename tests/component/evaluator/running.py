"""A whole evaluator at a real bus, and what it reads."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from services.evaluator.runtime.loop import NAME, Follower
from shared.bus import RedisBus
from shared.contracts import Decision, ScanSettled, Stream
from shared.runtime.service import Service
from tests.component.leased import running


def evaluator(url: str, name: str = "one") -> AbstractAsyncContextManager[Service]:
    """Run a whole evaluator under its lease; leaving the block kills it without a farewell."""
    return running(url, NAME, lambda service, lease: Follower(service, lease).work(), name)


async def settle(bus: RedisBus, scan_id: int, *decisions: Decision, missing: tuple[str, ...] = ()) -> None:
    """Publish what the gatekeeper does when a scan has settled; what is in *missing* is said to be decided as well."""
    for one in decisions:
        await bus.publish(Stream.DECISIONS_PASSED if one.passed else Stream.DECISIONS, [one])
    event = ScanSettled(
        scan_id=scan_id,
        symbols=len(decisions) + len(missing),
        analysed=len(decisions),
        passed=0,
        alerts=0,
        missing=(),
        at_deadline=False,
        opened_at=scan_id,
        settled_at=scan_id,
        seconds=1.0,
    )
    await bus.publish(Stream.SCANS, [event])
