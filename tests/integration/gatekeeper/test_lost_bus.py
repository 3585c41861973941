"""FAULTS 24 with real processes: Redis loses everything in mid-run, and goes on from what Postgres has."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from services.gatekeeper.domain import state as states
from services.gatekeeper.domain.state import State
from services.gatekeeper.runtime.loop import NAME
from services.terminal.local import listening, lockstep
from services.terminal.local.processes.supervisor import Supervisor
from services.terminal.local.stack import LocalStack, Plan, SimulatorPlan, module
from services.terminal.local.webhook_sink import Sink
from shared import ids
from shared.bus import RedisBus
from shared.config import local_secrets
from shared.contracts import StateRestored, Stream
from tests.patience import until

CLOSES = 8
#: low enough for many signals in few scans
THRESHOLDS = {"score": 20, "fmqs": 0, "squeeze_intervals": [], "volume_ratio": 0.3, "groups": 1, "timeframes": 1}

#: how the alert about the loss begins; the API may publish the state twice, since the loss is a rollback too, and
#: the version that follows is of the one that the gatekeeper has read
LOSS = "binance-um:system:restored:"


@asynccontextmanager
async def stack_with(sink: Sink, folder: Path) -> AsyncIterator[LocalStack]:
    """Start the whole stack with a simulated exchange in lockstep."""
    config = {
        "universe": {"size": 12, "min_quote_volume": 0},
        "thresholds": THRESHOLDS,
        "destinations": {"sink": sink.destination},
        "routes": [{"destinations": ["sink"]}],
    }
    path = folder / "config.yaml"
    path.write_text(json.dumps(config), encoding="utf-8")  # JSON is YAML
    async with Supervisor(lambda *_: None) as supervisor:
        plan = Plan(folder / "data", path, listening.free_port(), durable=False)
        async with LocalStack(plan, supervisor, say=print) as house:
            await house.start(SimulatorPlan(symbols=12, seed=3, lockstep=True))
            assert await lockstep.exchange_ready(house.simulator_url, 120.0)
            yield house


async def state_of(bus: RedisBus) -> State:
    """Return what the gatekeeper remembers."""
    return states.load((await bus.load_state(NAME)).fields)


async def restored_on(bus: RedisBus) -> StateRestored | None:
    """Return the state that the API has published from Postgres."""
    return next((event for event in await bus.newest_settings() if isinstance(event, StateRestored)), None)


async def delivered(house: LocalStack) -> bool:
    """Return whether the database has a delivery: a busy machine may be slow to start the deliverer."""
    async with httpx.AsyncClient(base_url=house.api_url) as api:
        return bool((await api.get("/api/deliveries")).raise_for_status().json()["items"])


async def recorded(bus: RedisBus) -> bool:
    """Return whether the database has every alert."""
    backlog = await bus.backlog(Stream.ALERTS, "api")
    return not backlog.undelivered and not backlog.pending


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_what_postgres_has_comes_back_and_is_not_told_again(tmp_path: Path) -> None:
    """Signals, cooldowns, price alerts and deliveries are restored, undelivered alerts are sent; one alert says so."""
    async with Sink() as sink, stack_with(sink, tmp_path) as house:
        bus = RedisBus(house.redis_url)
        credential = {"Authorization": f"Bearer {local_secrets.read(house.plan.folder, local_secrets.TOKEN)}"}
        async with httpx.AsyncClient(base_url=house.api_url, headers=credential) as api:
            asked = {"symbol": "BTCUSDT", "condition": "above", "value": 1.0}
            price_alert = (await api.post("/api/price-alerts", json=asked)).raise_for_status().json()
        await lockstep.drive(bus, house.simulator_url, closes=CLOSES)
        await until(lambda: delivered(house))
        await house.supervisor.stop("deliverer")  # from here on alerts are recorded and not sent
        await lockstep.drive(bus, house.simulator_url, closes=CLOSES)
        await until(lambda: recorded(bus))
        before = await state_of(bus)
        assert before.signals
        await bus.redis.flushall()

        async def restored() -> StateRestored | None:
            return await restored_on(bus)

        known: StateRestored = await until(restored)

        async def begun() -> bool:
            return (await bus.load_state(NAME)).version > 0

        await until(begun)
        after = await state_of(bus)
        await house.supervisor.start("deliverer", module("notifier.deliverer"), house.environment)
        delivered_before = Counter(sink.received)
        await lockstep.drive(bus, house.simulator_url, closes=CLOSES)

        async def said() -> bool:
            untold = {alert.alert_id for alert in known.untold}
            return any(name.startswith(LOSS) for name in sink.received) and untold <= set(sink.received)

        await until(said)

        async def followed() -> bool:
            new = set(sink.received) - set(delivered_before) - {alert.alert_id for alert in known.untold}
            return any(ids.lifecycle_alert_id(one.signal_id, "") in name for one in known.open_signals for name in new)

        await until(followed)  # signals from before the loss go on
        await bus.close()
    assert {one.signal.signal_id for one in after.signals.values()} == {one.signal_id for one in known.open_signals}
    # the last messages may not have reached Postgres
    assert {one.signal_id for one in known.open_signals} & {one.signal.signal_id for one in before.signals.values()}
    assert after.progress.cooldowns == dict(known.cooldowns)
    assert price_alert["price_alert_id"] in known.price_alert_states
    assert sum(name.startswith(f"binance-um:price:{price_alert['price_alert_id']}") for name in sink.received) == 1
    arrived = Counter(sink.received)
    assert sum(count for name, count in arrived.items() if name.startswith(LOSS)) == 1
    told_again = [name for name in known.delivered if arrived[name.removesuffix(":sink")] > 1]
    assert known.delivered
    assert known.untold
    assert told_again == []
