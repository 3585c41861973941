"""FAULTS 27 at the gatekeeper: a message that crashes its handler is put aside, the rest goes on."""

from __future__ import annotations

from typing import Any

import pytest

from services.gatekeeper import handler
from services.gatekeeper.domain import gates
from services.gatekeeper.domain import settle as settling
from shared.bus import MAX_TRIES, DeadLetter, RedisBus
from shared.contracts import Alert, Decision, PriceTick, ScanOpened, Stream
from tests.component.gatekeeper.running import address, everything, gatekeeper, publish, settled
from tests.patience import until
from tests.unit.gatekeeper.facts import SCAN, STEP, analysis, opened


class PoisonError(Exception):
    """A programming error in a handler."""


@pytest.fixture
def bad_gate(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Make a gate crash on BADUSDT."""
    judge = gates.judge

    def crashes(analysis: Any, *others: Any) -> Any:
        if analysis.symbol == "BADUSDT":
            raise PoisonError("boom")
        return judge(analysis, *others)

    monkeypatch.setattr(gates, "judge", crashes)
    return monkeypatch


async def letters(bus: RedisBus, count: int = 1) -> list[DeadLetter]:
    """Return the dead letters once there are *count*."""

    async def enough() -> list[DeadLetter]:
        found = await bus.dead_letters()
        return found if len(found) >= count else []

    return await until(enough)  # type: ignore[no-any-return]


async def test_the_scan_of_an_analysis_that_crashes_a_gate_settles_without_it(
    bus: RedisBus, bad_gate: pytest.MonkeyPatch
) -> None:
    """Its symbol is named as missing, not at the deadline; put back after the repair it is recorded as late."""
    async with gatekeeper(address(bus)):
        for index in range(2):
            scan_id = SCAN + index * STEP
            await publish(bus, Stream.SCANS, opened("AAAUSDT", "BADUSDT", scan_id=scan_id))
            await publish(bus, Stream.ANALYSES, analysis("BADUSDT", scan_id), analysis("AAAUSDT", scan_id))
        scans = await settled(bus, 2)
        assert [(scan.missing, scan.at_deadline) for scan in scans] == [(("BADUSDT",), False)] * 2
        alerts: list[Alert] = await everything(bus, Stream.ALERTS)
        assert [alert.alert_id for alert in alerts] == [f"binance-um:signal:AAAUSDT:long:{SCAN + STEP}"]
        first, _ = await letters(bus, 2)
        assert (first.tries, first.stream, "boom" in first.error) == (MAX_TRIES, Stream.ANALYSES, True)
        bad_gate.undo()
        assert await bus.put_back(first.dead_id)

        async def late() -> list[Decision]:
            return [one for one in await everything(bus, Stream.DECISIONS) if one.outcome == "late"]

        assert [one.decision_id for one in await until(late)] == [f"binance-um:BADUSDT:{SCAN}"]


async def test_one_that_crashes_again_after_it_was_put_back_is_put_aside_again(
    bus: RedisBus, bad_gate: pytest.MonkeyPatch
) -> None:
    """As a late one it holds up nothing either."""
    async with gatekeeper(address(bus)):
        await publish(bus, Stream.SCANS, opened("BADUSDT"))
        await publish(bus, Stream.ANALYSES, analysis("BADUSDT"))
        await settled(bus, 1)
        [letter] = await letters(bus)
        await bus.put_back(letter.dead_id)
        await publish(bus, Stream.SCANS, opened("AAAUSDT", scan_id=SCAN + STEP))
        await publish(bus, Stream.ANALYSES, analysis(scan_id=SCAN + STEP))
        await settled(bus, 2)
        [again] = await letters(bus)
    assert again.dead_id != letter.dead_id


async def test_a_scan_that_crashes_without_any_analysis_is_put_aside_itself(
    bus: RedisBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its analyses are innocent: they are recorded as late, and the next scan settles."""
    settle = settling.settle

    def crashes(state: Any, scan: ScanOpened, *others: Any, **named: Any) -> Any:
        if scan.scan_id == SCAN:
            raise PoisonError("boom")
        return settle(state, scan, *others, **named)

    monkeypatch.setattr(handler, "settle", crashes)
    async with gatekeeper(address(bus)):
        for index in range(2):
            await publish(bus, Stream.SCANS, opened("AAAUSDT", scan_id=SCAN + index * STEP))
            await publish(bus, Stream.ANALYSES, analysis(scan_id=SCAN + index * STEP))
        scans = await settled(bus, 1)
        [letter] = await letters(bus)
    decisions: list[Decision] = await everything(bus, Stream.DECISIONS)
    assert [scan.scan_id for scan in scans] == [SCAN + STEP]
    assert letter.stream is Stream.SCANS
    assert {(one.analysis.scan_id, one.outcome) for one in decisions} == {(SCAN, "late"), (SCAN + STEP, "rejected")}


async def test_a_tick_that_crashes_lets_the_others_through_in_their_order(
    bus: RedisBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What came before it is taken at once, the later ticks and the scan when it is out of the way."""
    take, settle, taken = handler.take_ticks, handler.settle_scan, list[int]()

    def crashes(state: Any, ticks: Any, *others: Any, **named: Any) -> Any:
        at = [tick.at - SCAN for tick, _ in ticks]
        if 2_000 in at:
            raise PoisonError("boom")
        taken.extend(at)
        return take(state, ticks, *others, **named)

    def settles(state: Any, scan: ScanOpened, *others: Any, **named: Any) -> Any:
        taken.append(scan.scan_id - SCAN)
        return settle(state, scan, *others, **named)

    monkeypatch.setattr(handler, "take_ticks", crashes)
    monkeypatch.setattr(handler, "settle_scan", settles)
    ticks = [PriceTick(at=SCAN + seconds * 1_000, prices={"AAAUSDT": 100.0}) for seconds in (1, 2, 3)]
    await publish(bus, Stream.TICKS, *ticks)
    await publish(bus, Stream.SCANS, opened("AAAUSDT", scan_id=SCAN + STEP))
    await publish(bus, Stream.ANALYSES, analysis(scan_id=SCAN + STEP))
    async with gatekeeper(address(bus)):
        [letter] = await letters(bus)
        await settled(bus, 1)
    assert (letter.stream, letter.tries) == (Stream.TICKS, MAX_TRIES)
    assert taken == [1_000, 3_000, STEP]
