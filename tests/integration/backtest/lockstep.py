"""A lockstep run of the services over recorded bars, with all that they said of it.

Two inputs are left out, which no recording has: the order book (the simulated exchange refuses it) and what depends on
Fear & Greed (see `alike`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from services.terminal.commands.scan import publish
from services.terminal.local import lockstep
from services.terminal.local.processes.supervisor import Supervisor
from services.terminal.local.stack import LocalStack, Plan, SimulatorPlan
from shared.bus import RedisBus
from shared.config.environment import MARKET
from shared.contracts import Alert, Decision, LifecycleBody, Outcome, ScanSettled, Stream
from shared.settings import RuntimeSettings

READ = (Stream.DECISIONS, Stream.DECISIONS_PASSED, Stream.ALERTS, Stream.OUTCOMES, Stream.SCANS)
ENDS = ("target", "stop", "invalidated", "expired")
#: of an analysis: what Fear & Greed or wall time has a part in, and what a backtest does not keep
LEFT_OUT = (
    "settings_version",
    "sentiment",
    "agreement",
    "agreement_parts",
    "strength",
    "estimated",
    "chart",
    "bonus",
)
PATIENCE = 30.0


@dataclass
class LockstepRun:
    """What the services said."""

    decisions: dict[str, Decision] = field(default_factory=dict)  #: by decision_id
    ends: dict[str, LifecycleBody] = field(default_factory=dict)  #: by signal_id
    outcomes: dict[str, Outcome] = field(default_factory=dict)  #: by outcome_id, as last told
    scans: list[ScanSettled] = field(default_factory=list)

    def take(self, message: object) -> None:
        """Keep one message."""
        match message:
            case Decision():
                self.decisions[message.decision_id] = message
            case Alert(body=LifecycleBody(event=event, early=early) as body) if event in ENDS and not early:
                self.ends[body.signal_id] = body
            case Outcome():
                self.outcomes[message.outcome_id] = message
            case ScanSettled():
                self.scans.append(message)


async def record(
    bars: Path,
    folder: Path,
    settings: RuntimeSettings,
    *,
    scans: int,
    start: str = "",
    analyzers: int = 1,
    told: Callable[[int], None] = lambda _: None,
    said: Callable[[str, str], None] = lambda _name, _line: None,
) -> LockstepRun:
    """Run the services over *scans* closes of the recordings in *bars*, in lockstep; return what they said."""
    run = LockstepRun()
    extra = ("--fault", "book-400", *(("--start", start) if start else ()))
    simulator = SimulatorPlan(symbols=600, replay=bars, lockstep=True, extra=extra)
    plan = Plan(folder, folder / "none.yaml", 8710, analyzers, ("fetcher", "gatekeeper", "evaluator"), durable=False)
    async with Supervisor(said) as supervisor, LocalStack(plan, supervisor, say=print) as local:
        await local.start_stores()
        bus = RedisBus(local.redis_url, MARKET)
        try:
            await publish(bus, settings)
            await local.start_simulator(simulator)
            await local.start_services()
            assert await lockstep.exchange_ready(local.simulator_url, 120.0)
            reading = asyncio.ensure_future(_read(bus, run, scans))
            await lockstep.drive(bus, local.simulator_url, closes=scans, settled=lambda _: told(len(run.scans)))
            await asyncio.wait([reading], timeout=PATIENCE)
            reading.cancel()
        finally:
            await bus.close()
    return run


async def _read(bus: RedisBus, run: LockstepRun, scans: int) -> None:
    """Read all streams until *scans* have settled and nothing more comes for a while."""
    after = dict.fromkeys(READ, "0-0")
    quiet = 0
    while quiet < 6:
        news = await bus.tail(after, count=2_000, block_ms=500)
        quiet = 0 if news or len(run.scans) < scans else quiet + 1
        for stream, entry_id, message in news:
            after[stream] = entry_id
            run.take(message)


def alike(message: Any) -> Any:
    """Return *message* as plain values to be compared: floats to nine digits, what cannot be the same left out."""
    return _plain(message)


def _plain(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        names = [name for name in value.__struct_fields__ if name not in LEFT_OUT]
        return {name: _plain(getattr(value, name)) for name in names}
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return float(f"{value:.9g}") if isinstance(value, float) else value
