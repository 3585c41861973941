"""`--workers rq` with real rq workers on a real Valkey."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from redis import Redis
from rq import Worker
from rq.registry import StartedJobRegistry

from services.backtest.distributed.spread import NoWorkersError, spread
from services.backtest.distributed.worker import queue_of
from services.backtest.run import Backtest, BacktestPlan, look_over, run
from shared.config.environment import MARKET, Environment
from shared.contracts import DAY_MS
from shared.settings import RuntimeSettings
from tests.conftest import ROOT
from tests.unit.backtest.bars import START, frames, write

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
SETTINGS = RuntimeSettings.model_validate(
    {"thresholds": {"score": 45, "fmqs": 30, "volume_ratio": 1.0, "groups": 2, "timeframes": 1}}
)


@pytest.fixture(scope="module")
def bars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two coins, of which four days can be analysed."""
    return write(tmp_path_factory.mktemp("bars"), {name: frames(4, 54)[name] for name in ("BTCUSDT", "SOLUSDT")})


@pytest.fixture
def environment(fresh_valkey: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    monkeypatch.setenv("SEVENGATE_REDIS_URL", fresh_valkey)
    monkeypatch.setenv("SEVENGATE_DATA_DIR", str(tmp_path))
    return Environment()


def plan_of(bars: Path, kept: Path) -> BacktestPlan:
    return BacktestPlan(bars, kept, MARKET, SETTINGS, last=START + 52 * DAY_MS)


def quiet(*_: object) -> None:
    """Show no progress."""


@contextmanager
def a_worker() -> Iterator[subprocess.Popen[bytes]]:
    """Run one worker, a process group of its own."""
    command = [sys.executable, "-m", "services.backtest.distributed.worker"]
    process = subprocess.Popen(command, cwd=ROOT, env=os.environ, start_new_session=True)
    try:
        yield process
    finally:
        kill(process)


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill the worker and the job that it runs."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def until(is_so: Callable[[], object]) -> None:
    while not is_so():
        time.sleep(0.05)


def figures(found: Backtest) -> list[tuple[object, ...]]:
    return [(one.outcome_id, one.kind, one.result, one.ended_at, one.r_net) for one in found.outcomes]


def test_workers_bring_the_figures_of_local_processes(bars: Path, tmp_path: Path, environment: Environment) -> None:
    """What gate 4 can pass is analysed by the workers; the walk adds only what open signals and controls need."""
    coins, _ = look_over(bars)
    local = run(plan_of(bars, tmp_path / "local"), coins, quiet)
    plan = plan_of(bars, tmp_path / "shared")
    with pytest.raises(NoWorkersError, match="no worker waits"):
        spread(plan, [SETTINGS], coins, environment, quiet)
    with Redis.from_url(environment.redis_url) as client, a_worker() as one, a_worker() as two:
        queue = queue_of(MARKET, client)
        until(lambda: len(client.smembers(f"rq:workers:{queue.name}")) == 2)
        assert spread(plan, [SETTINGS], coins, environment, quiet) == []
        assert one.poll() is None
        assert two.poll() is None
    found = run(plan, coins, quiet)
    assert figures(found) == figures(local)
    assert found.ends == local.ends
    assert found.outcomes
    assert 0 < found.analysed < local.analysed
    assert found.reused + found.analysed == local.reused + local.analysed


def test_a_worker_that_is_killed_loses_nothing(bars: Path, tmp_path: Path, environment: Environment) -> None:
    """Another worker takes up the coin-month that it was at."""
    coins, _ = look_over(bars)
    plan = replace(plan_of(bars, tmp_path / "shared"), all_scores=True, last=START + 51 * DAY_MS)
    with Redis.from_url(environment.redis_url) as client, a_worker() as first:
        queue = queue_of(MARKET, client)
        until(lambda: client.smembers(f"rq:workers:{queue.name}"))
        said: list[str] = []
        spreader = threading.Thread(target=lambda: said.extend(spread(plan, [SETTINGS], coins, environment, quiet)))
        spreader.start()
        until(lambda: StartedJobRegistry(queue=queue).get_job_ids(cleanup=False))
        kill(first)
        with a_worker():
            spreader.join()
        assert said == []
    assert run(plan, coins, quiet).analysed <= 20  # of controls, in the hours after the span


def test_ctrl_c_takes_the_jobs_back(
    bars: Path, tmp_path: Path, environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What no worker has begun is removed from the queue, and the interruption comes through."""
    coins, _ = look_over(bars)
    plan = plan_of(bars, tmp_path / "shared")

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Worker, "count", lambda **_: 1)  # one that is busy elsewhere
    with pytest.raises(KeyboardInterrupt):
        spread(plan, [SETTINGS], coins, environment, interrupt)
    with Redis.from_url(environment.redis_url) as client:
        assert queue_of(MARKET, client).count == 0
