"""Every service on this machine against the simulator, for the benchmarks that measure all of them together."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from services.terminal.local import listening
from services.terminal.local.processes.forker import Forker
from services.terminal.local.processes.supervisor import Supervisor
from services.terminal.local.stack import LocalStack, Plan, SimulatorPlan
from services.terminal.local.webhook_sink import Sink


@dataclass(frozen=True)
class WholeStack:
    """What runs, and the webhook receiver that all of its destinations lead to."""

    local: LocalStack
    supervisor: Supervisor
    forker: Forker
    sink: Sink


def settings_of(sink: Sink, symbols: int, destinations: int, **more: Any) -> dict[str, Any]:
    """Return a config.yaml that watches all *symbols* and sends every alert to each of the *destinations*."""
    names = [f"sink{number}" for number in range(destinations)]
    return {
        "universe": {"size": symbols, "min_quote_volume": 0},
        "destinations": dict.fromkeys(names, sink.destination),
        "routes": [{"destinations": names}],
        **more,
    }


@asynccontextmanager
async def whole_stack(
    simulator: SimulatorPlan,
    destinations: int,
    *,
    analyzers: int = 1,
    environment: Mapping[str, str] | None = None,
    **settings: Any,
) -> AsyncIterator[WholeStack]:
    """Run all services until the block ends; *settings* are further sections of config.yaml."""
    forker = Forker()  # before there are threads
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with Sink() as sink:
            config = settings_of(sink, simulator.symbols, destinations, **settings)
            (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
            plan = Plan(
                folder / "data",
                folder / "config.yaml",
                listening.free_port(),
                durable=False,
                analyzers=analyzers,
                environment=environment or {},
            )
            async with (
                Supervisor(lambda *_: None, forker=forker) as supervisor,
                LocalStack(plan, supervisor, say=print) as local,
            ):
                await local.start_stores()
                await local.start_simulator(simulator)  # a large one takes long: the others would slow it down
                await local.start_services()
                yield WholeStack(local, supervisor, forker, sink)
