"""The small version of `make chaos`: the invariant, on every test run."""

from __future__ import annotations

from typing import Any

import pytest

from services.gatekeeper.runtime.loop import Gatekeeper
from shared.bus import Commit
from tests.chaos import accidents, inprocess, processes
from tests.chaos.accidents import Strike
from tests.chaos.buses import Stores


@pytest.mark.parametrize("analyzers", [1, 3])
async def test_the_undisturbed_run_tells_what_the_handler_alone_tells(fresh_valkey: str, analyzers: int) -> None:
    """Over a real bus, with one analyzer or three, the alerts are those of the pure functions."""
    with inprocess.quick():
        run = await inprocess.run(1, fresh_valkey, analyzers=analyzers, rate=0.0)
    assert run.violations == []
    assert {alert.kind for alert in run.alerts} >= {"signal", "lifecycle", "price"}


@pytest.mark.slow
@pytest.mark.timeout(600)
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
    commit = Gatekeeper._commit

    async def careless(self: Gatekeeper, outcome: Any, tokens: Any, **named: Any) -> None:
        await self.service.bus.commit(Commit(tokens=tokens))
        await commit(self, outcome, tokens, **named)

    monkeypatch.setattr(Gatekeeper, "_commit", careless)
    monkeypatch.setattr(inprocess, "SETTLE_SECONDS", 3.0)
    monkeypatch.setattr(inprocess, "DRAIN_SECONDS", 1.0)
    with inprocess.quick():
        run = await inprocess.run(2, fresh_valkey, rate=0.03, scans=4)
    assert run.violations


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_real_processes_struck_in_mid_commit_tell_the_same_alerts() -> None:
    """Kills on either side of a commit, a connection cut, a delivery killed in mid-send: sent once, nothing lost."""
    strikes = [
        Strike(2, (accidents.kill_in_mid_send, accidents.kill("notifier"))),
        Strike(4, (accidents.kill("analyzer2"), accidents.kill("gatekeeper"), accidents.kill("evaluator"))),
        Strike(7, (accidents.cut("gatekeeper"), accidents.kill_valkey)),
    ]
    reference = await processes.run("reference", 7, closes=12, symbols=12, analyzers=1)
    struck = await processes.run_with("struck", 7, "kills", strikes, closes=12, symbols=12, analyzers=3)
    assert reference.violations == []
    assert struck.violations == []
    assert processes.compare(reference, struck) == []
    assert reference.alerts
    assert reference.records.outcomes
    assert set(struck.kills) == {"deliverer", "notifier", "analyzer", "gatekeeper", "evaluator"}
    assert struck.struck["SIGKILL valkey"] == 1


def test_every_kind_of_accident_is_planned_by_default() -> None:
    """Five runs in a row hold all kinds, each begins with a delivery in mid-send; a number's plan never changes."""
    plans = [accidents.plan(number) for number in range(1, 6)]
    assert [kind for kind, _ in plans] == list(accidents.KINDS)
    assert all(accidents.kill_in_mid_send in strikes[0].accidents for _, strikes in plans)
    for number, (_, strikes) in enumerate(plans, start=1):
        assert [strike.after_scan for strike in accidents.plan(number)[1]] == [strike.after_scan for strike in strikes]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("stores", ["sentinel", "cluster"])
async def test_another_master_in_mid_run_tells_the_same_alerts(stores: Stores) -> None:
    """The master of a Redis that is watched, or of a cluster, is killed under load: the same alerts, each sent once."""
    strikes = [Strike(3, (accidents.lose_master("killed"),)), Strike(5, (accidents.kill("gatekeeper"),))]
    run = await processes.run_with("failover", 7, "killed", strikes, closes=8, symbols=12, analyzers=2, stores=stores)
    assert run.violations == []
    assert run.alerts
    assert run.struck["failover, master killed"] == 1
