"""Two real gatekeepers, one under the lease: it is killed, or paused past its lease and comes back."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from collections import Counter

import pytest

from services.gatekeeper.runtime.loop import NAME
from services.gatekeeper.runtime.reader import STREAMS
from shared.bus import RedisBus
from shared.contracts import Alert, Decision, PriceAlert, PriceTick, Stream
from shared.runtime.leader import LEASE_MS
from tests.component.gatekeeper.running import begin, everything, publish, settled
from tests.integration.gatekeeper.processes import process
from tests.patience import until
from tests.unit.gatekeeper.facts import SCAN, STEP, analysis, opened

TAKEOVER_MS = 15_000  #: until the other one holds the lease, on any machine that runs it at all
SYMBOLS = ("AAAUSDT", "BBBUSDT")
HIGH = PriceAlert(price_alert_id="high", symbol="AAAUSDT", condition="crosses", value=100.5, repeat=True)


async def holder(bus: RedisBus, processes: list[subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
    """Return the process that holds the lease, once one does."""

    async def found() -> subprocess.Popen[bytes] | None:
        owner = (await bus.redis.get(bus.key(f"lease:{NAME}")) or b"").decode()
        return next((one for one in processes if f"-{one.pid}-" in owner), None)

    return await until(found)  # type: ignore[no-any-return]


async def read(bus: RedisBus) -> None:
    """Return when everything that is on the bus has been delivered, acknowledged or not."""

    async def nothing_left() -> bool:
        return not sum([(await bus.backlog(stream, NAME)).undelivered for stream in STREAMS])

    await until(nothing_left)


async def acknowledged(bus: RedisBus) -> None:
    """Return when nothing is pending."""

    async def nothing_held() -> bool:
        return not sum([(await bus.backlog(stream, NAME)).pending for stream in STREAMS])

    await until(nothing_held)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
async def test_the_other_goes_on_and_nothing_is_lost_or_doubled(fresh_valkey: str, how: signal.Signals) -> None:
    """Struck with half a scan in hand, it is followed once its lease is over; one that comes back stands by."""
    bus = RedisBus(fresh_valkey)
    await begin(bus, None, HIGH)
    with process(fresh_valkey) as one, process(fresh_valkey) as two:
        struck = await holder(bus, [one, two])
        await publish(bus, Stream.TICKS, PriceTick(at=SCAN - 1_000, prices={"AAAUSDT": 100.0}))
        await publish(bus, Stream.SCANS, opened(*SYMBOLS))
        await publish(bus, Stream.ANALYSES, *(analysis(symbol) for symbol in SYMBOLS))
        await settled(bus, 1)
        await publish(bus, Stream.SCANS, opened(*SYMBOLS, scan_id=SCAN + STEP))
        await publish(bus, Stream.ANALYSES, analysis("AAAUSDT", SCAN + STEP))
        await read(bus)  # it holds the opening and one analysis, and has committed neither
        struck.send_signal(how)
        assert await bus.redis.pttl(bus.key(f"lease:{NAME}")) + LEASE_MS / 4 < TAKEOVER_MS
        await publish(bus, Stream.TICKS, PriceTick(at=SCAN + STEP - 1_000, prices={"AAAUSDT": 101.0}))
        await publish(bus, Stream.ANALYSES, analysis("BBBUSDT", SCAN + STEP))
        await settled(bus, 2)
        if how is signal.SIGSTOP:
            struck.send_signal(signal.SIGCONT)
            await asyncio.sleep(1.0)  # it tries to go on where it was
        await publish(bus, Stream.SCANS, opened(*SYMBOLS, scan_id=SCAN + 2 * STEP))
        await publish(bus, Stream.ANALYSES, *(analysis(symbol, SCAN + 2 * STEP) for symbol in SYMBOLS))
        scans = await settled(bus, 3)
        await acknowledged(bus)
        assert await holder(bus, [one, two]) is not struck
    decisions: list[Decision] = await everything(bus, Stream.DECISIONS)
    decisions += await everything(bus, Stream.DECISIONS_PASSED)
    alerts: list[Alert] = await everything(bus, Stream.ALERTS)
    await bus.close()
    assert [(scan.scan_id, scan.missing) for scan in scans] == [(SCAN + n * STEP, ()) for n in range(3)]
    expected = [f"binance-um:{symbol}:{SCAN + n * STEP}" for n in range(3) for symbol in SYMBOLS]
    assert Counter(one.decision_id for one in decisions) == Counter(expected)
    assert [alert.alert_id for alert in alerts] == [
        f"binance-um:price:high:{SCAN + STEP - 1_000}",
        *(f"binance-um:signal:{symbol}:long:{SCAN + STEP}" for symbol in SYMBOLS),
    ]
