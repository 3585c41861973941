"""The evaluator at a real bus: exactly once through kills, a standby, a poisoned decision and a lost bus."""

from __future__ import annotations

import msgspec
import pytest

from services.evaluator.domain import following
from services.evaluator.runtime.loop import NAME, STREAMS
from shared.bus import RedisBus
from shared.contracts import SCAN_MS, Outcome, SettingsChanged, StateRestored, Stream
from shared.settings import RuntimeSettings
from tests.component.evaluator.running import evaluator, settle
from tests.component.gatekeeper.running import address, everything
from tests.patience import until
from tests.unit.evaluator.facts import SCAN, decision
from tests.unit.evaluator.test_following import market, run


async def taken(bus: RedisBus, scan_id: int) -> None:
    """Wait until the scan is committed and nothing is pending."""

    async def done() -> bool:
        state = following.load((await bus.load_state(NAME)).fields)
        return state.settled_scan >= scan_id and not sum(
            [(await bus.backlog(stream, NAME)).pending for stream in STREAMS]
        )

    await until(done)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A killed holder's lease is over soon; the product's own takes 9 s."""
    monkeypatch.setattr("shared.runtime.leader.LEASE_MS", 400)


async def test_kills_and_a_standby_change_nothing(bus: RedisBus) -> None:
    """Two evaluators, killed in turn between and within scans, tell what an undisturbed one does, each once."""
    scans = market(3, 36)
    _, wanted = run(scans)
    ids = sorted(scans)
    for start in range(0, len(ids), 12):
        async with evaluator(address(bus), f"first-{start}"), evaluator(address(bus), f"second-{start}"):
            for scan_id in ids[start : start + 12]:
                await settle(bus, scan_id, *scans[scan_id])
            if start % 24 == 0:
                await taken(bus, ids[start + 11])
    async with evaluator(address(bus), "last"):
        await taken(bus, ids[-1])
    assert await everything(bus, Stream.OUTCOMES) == wanted


async def test_a_scan_waits_for_its_decisions_and_goes_on_without_those_that_were_trimmed(bus: RedisBus) -> None:
    """The settled scan comes first; a decision that will never come holds nothing up."""
    async with evaluator(address(bus)):
        await settle(bus, SCAN, decision(signal=True), missing=("GONEUSDT",))
        await taken(bus, SCAN)
        sent = await everything(bus, Stream.OUTCOMES)
        assert [one.kind for one in sent if one.entry > 0] == ["signal", "other side"]


async def test_a_decision_that_crashes_is_put_aside_and_the_rest_goes_on(bus: RedisBus) -> None:
    """It becomes a dead letter with its error; the scan's other signal is followed."""
    broken = decision("BADUSDT", signal=True)
    bad = msgspec.structs.replace(broken, analysis=msgspec.structs.replace(broken.analysis, scan_id=SCAN))
    assert bad.analysis.levels is not None
    levels = msgspec.structs.replace(bad.analysis.levels, atr=0.0)
    bad = msgspec.structs.replace(bad, analysis=msgspec.structs.replace(bad.analysis, levels=levels))
    async with evaluator(address(bus)):
        await settle(bus, SCAN, decision(signal=True), bad)
        await taken(bus, SCAN)
        (letter,) = await bus.dead_letters()
        assert (letter.group, letter.stream) == (NAME, Stream.DECISIONS_PASSED)
        sent: list[Outcome] = await everything(bus, Stream.OUTCOMES)
        assert {one.symbol for one in sent} == {"AAAUSDT"}


async def test_after_the_loss_of_the_bus_what_was_begun_is_followed(bus: RedisBus) -> None:
    """The API restores the outcomes that have not ended; each ends once, and none begins again."""
    begun = [one for one in run({SCAN: [decision(signal=True), decision("BBBUSDT")]})[1] if not one.result]
    await bus.redis.flushall()
    await bus.publish_settings(StateRestored(version=9, settled_scan=SCAN, following=tuple(begun)))
    await bus.publish_settings(SettingsChanged(version=9, value=RuntimeSettings().dump(), at=0))
    async with evaluator(address(bus)):
        rise = (100.0, 103.0, 100.0, 103.0, 1.0)
        await settle(
            bus,
            SCAN + SCAN_MS,
            decision(scan_id=SCAN + SCAN_MS, bar=rise, close=103.0),
            decision("BBBUSDT", SCAN + SCAN_MS),
        )
        await taken(bus, SCAN + SCAN_MS)
        ended = {one.outcome_id: one.result for one in await everything(bus, Stream.OUTCOMES) if one.result}
        signal = begun[0].outcome_id
        assert ended == {signal: "target", f"{signal}#other side": "stop"}
