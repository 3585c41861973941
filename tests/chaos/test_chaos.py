"""The small version of `make chaos`: the invariant, on every test run."""

from __future__ import annotations

from typing import Any

import pytest

from services.gatekeeper.keeper import Keeper
from shared.bus import Commit
from tests.chaos import inprocess, processes


@pytest.mark.parametrize("analyzers", [1, 3])
async def test_the_undisturbed_run_tells_what_the_handler_alone_tells(fresh_valkey: str, analyzers: int) -> None:
    """Over a real bus, with one analyzer or three, the alerts are those of the pure functions."""
    with inprocess.quick():
        run = await inprocess.run(1, fresh_valkey, analyzers=analyzers, rate=0.0)
    assert run.violations == []
    assert {alert.kind for alert in run.alerts} >= {"signal", "lifecycle", "price"}


@pytest.mark.slow
@pytest.mark.timeout(90)
async def test_faults_at_any_await_change_nothing(fresh_valkey: str) -> None:
    """Kills, cuts and freezes at the bus leave all ten invariants standing, and they did happen."""
    kills = 0
    with inprocess.quick():
        for seed in (2, 3, 5):
            run = await inprocess.run(seed, fresh_valkey, rate=0.04, scans=10)
            assert run.violations == []
            kills += run.kills.total()
    assert kills > 0


async def test_a_gatekeeper_that_acknowledges_too_early_is_found_out(
    fresh_valkey: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The suite can fail: acknowledging before committing loses messages, and it says so."""
    commit = Keeper._commit

    async def careless(self: Keeper, outcome: Any, tokens: Any, **named: Any) -> None:
        await self.bus.commit(Commit(tokens=tokens))
        await commit(self, outcome, tokens, **named)

    monkeypatch.setattr(Keeper, "_commit", careless)
    monkeypatch.setattr(inprocess, "SETTLE_SECONDS", 3.0)
    monkeypatch.setattr(inprocess, "DRAIN_SECONDS", 1.0)
    with inprocess.quick():
        run = await inprocess.run(2, fresh_valkey, rate=0.03, scans=4)
    assert run.violations


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_real_processes_killed_at_random_tell_the_same_alerts() -> None:
    """One analyzer undisturbed, and three with everything killed in flight: the same alert ids, each told once."""
    reference = await processes.run("reference", 7, closes=14, symbols=12, analyzers=1, accidents=None)
    targets = ("analyzer1", "gatekeeper", "notifier")
    accidents = processes.Accidents(seed=1, targets=targets, every=0.4, at_most=3, stops=False)
    killed = await processes.run("killed", 7, closes=14, symbols=12, analyzers=3, accidents=accidents)
    assert reference.violations == []
    assert killed.violations == []
    assert processes.compare(reference, killed) == []
    assert reference.alert_ids
    assert killed.kills.total() > 0
