"""`scan --once`: one full scan by the real services, which are stopped afterwards."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from redis import RedisError
from rich.console import Console
from rich.table import Table

from services.terminal.checks.exchange import HOW_TO_GO_ON, unreachable
from services.terminal.local import data_folder, kept_windows
from services.terminal.local.processes.forker import Forker
from services.terminal.local.processes.stopping import stop_signals, unless
from services.terminal.local.processes.supervisor import Supervisor
from services.terminal.local.stack import LocalStack, LocalStackError, Plan, SimulatorPlan
from services.terminal.output.console import Screen
from shared.bus import Bus, RedisBus
from shared.config import config_file
from shared.config.environment import Environment
from shared.contracts import (
    Decision,
    MutesChanged,
    PriceAlertsChanged,
    ScanOpened,
    ScanSettled,
    SettingsChanged,
    StateRestored,
    Stream,
    Verdict,
)
from shared.settings import RuntimeSettings

PATIENCE_SECONDS: Final = 600.0  #: loading the windows, with `--next` up to five minutes to the close, and the scan
SPEED: Final = 60.0  #: of the simulated exchange, so that its next close comes within seconds


@dataclass
class Scanned:
    """The result of one scan."""

    settled: ScanSettled
    decisions: list[Decision]


async def scan(
    screen: Screen,
    show: Callable[[Scanned], None],
    *,
    forker: Forker | None = None,
    wait: bool = False,
    simulated: int = 0,
    seed: int = 7,
) -> bool:
    """Scan once and *show* the result before the services are stopped; return whether there was one.

    The last five-minute close is judged at once; *wait* for the next one to have the order books of its last moments
    as well.  *simulated* is a number of invented symbols instead of Binance.  False: it was interrupted.  Raises
    `LocalStackError` or `config_file.ConfigError`.
    """
    environment = Environment()
    if not simulated and (problem := await unreachable(environment.binance_rest_url)):
        raise LocalStackError(f"{problem}\n{HOW_TO_GO_ON}\n  ./sevengate scan --once --simulated 50    invented coins")
    settings = RuntimeSettings.model_validate(config_file.load(environment.config))
    folder = environment.data_dir / "scan"
    windows = None if simulated else _windows_file(folder, environment)
    data_folder.empty(folder, "a scan", but=[windows.name] if windows else ())
    if windows:
        kept_windows.give(windows, folder / "valkey")
    async with AsyncExitStack() as stack:
        stop = await stack.enter_async_context(stop_signals())
        supervisor = await stack.enter_async_context(Supervisor(screen.log, forker=forker))
        local = await stack.enter_async_context(
            LocalStack(_plan(folder, environment, wait=wait), supervisor, say=screen.say)
        )

        async def work() -> None:
            await local.start(SimulatorPlan(symbols=simulated, seed=seed, speed=SPEED) if simulated else None)
            bus = RedisBus(local.redis_url, environment.market)
            stack.push_async_callback(bus.close)
            await publish(bus, settings)
            screen.say("loading the windows; then the " + ("next" if wait else "last") + " five-minute close is judged")
            show(await first_scan(bus, screen.say))
            await local.kill_services()
            if windows:
                await _keep(bus, windows, screen)

        try:
            return await unless(stop, work())
        finally:
            await local.kill()  # nothing but the windows is wanted any more


def _windows_file(folder: Path, environment: Environment) -> Path:
    return kept_windows.file_of(folder, market=environment.market, exchange=environment.binance_rest_url)


async def _keep(bus: RedisBus, windows: Path, screen: Screen) -> None:
    """Keep the windows for the next scan; that they cannot be kept is no fault of this one."""
    try:
        await kept_windows.keep(bus, windows, windows.parent / "valkey")
    except (RedisError, OSError) as error:
        screen.say(f"the windows are not kept, the next scan loads them anew: {error}")


def _plan(folder: Path, environment: Environment, *, wait: bool) -> Plan:
    analyzers = max(1, min(4, (os.cpu_count() or 2) - 1))
    services = ("fetcher", "gatekeeper")
    asked = {} if wait else {"SEVENGATE_JUDGE_LAST_CLOSE": "1"}
    port = environment.api_port
    return Plan(folder, environment.config, port, analyzers, services, durable=False, environment=asked)


async def publish(bus: Bus, settings: RuntimeSettings) -> None:
    """Publish what the API publishes on an empty bus; no API runs here."""
    now = time.time_ns() // 1_000_000
    await bus.publish_settings(SettingsChanged(version=1, value=settings.dump(), at=now))
    await bus.publish_settings(PriceAlertsChanged(version=1, price_alerts=()))
    await bus.publish_settings(MutesChanged(version=1, mutes=()))
    await bus.publish_settings(StateRestored(version=1))


async def first_scan(bus: Bus, say: Callable[[str], None]) -> Scanned:
    """Wait for the first scan to settle and return its decisions; raise `LocalStackError` when none does."""
    after, deadline = "0-0", time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        for _, entry_id, event in await bus.tail({Stream.SCANS: after}, block_ms=500):
            after = entry_id
            if isinstance(event, ScanOpened):
                say(f"scanning {len(event.symbols)} symbols, {len(event.missing)} are missing")
            elif isinstance(event, ScanSettled):
                return Scanned(event, await decisions_of(bus, event.scan_id))
    raise LocalStackError(f"no scan settled within {PATIENCE_SECONDS:g} s; the lines above say why")


async def decisions_of(bus: Bus, scan_id: int) -> list[Decision]:
    """Return the decisions of one scan, best first."""
    found: list[Decision] = []
    for stream in (Stream.DECISIONS, Stream.DECISIONS_PASSED):
        after, last = "0-0", await bus.last_id(stream)
        while after != last:
            page = await bus.tail({stream: after}, block_ms=200)
            if not page:
                break
            after = page[-1][1]
            found += [item for _, _, item in page if isinstance(item, Decision) and item.analysis.scan_id == scan_id]
    return sorted(found, key=lambda item: (bool(item.analysis.problem), -item.analysis.score, item.analysis.symbol))


def as_record(decision: Decision) -> dict[str, Any]:
    """Return one line of `scan --once --json`; a coin that could not be analysed says why."""
    analysis = decision.analysis
    answered = not analysis.problem
    return {
        "symbol": analysis.symbol,
        "scan_id": analysis.scan_id,
        "side": analysis.side if answered else None,
        "score": round(analysis.score, 2) if answered else None,
        "confidence": None if analysis.confidence is None else round(analysis.confidence, 2),
        "agreement": round(analysis.agreement, 2) if answered else None,
        "fmqs": round(analysis.fmqs.value, 2) if analysis.fmqs and analysis.fmqs.value is not None else None,
        "regime": analysis.regime if answered else None,
        "strength": analysis.strength,
        "appeared": decision.appeared,
        "passed": decision.passed,
        "outcome": decision.outcome,
        "problem": analysis.problem,
        "gates": {verdict.gate: verdict.passed for verdict in decision.verdicts},
    }


def print_table(scanned: Scanned, console: Console) -> None:
    """Print the ranked table."""
    settled = scanned.settled
    title = f"{settled.analysed} of {settled.symbols} coins analysed in {settled.seconds:.1f} s"
    table = Table(title=title, box=None, pad_edge=False, header_style="bold")
    for name in ("#", "symbol", "side", "score", "FMQS", "conf.", "regime", "gates"):
        table.add_column(name, justify="right" if name in ("#", "score", "FMQS", "conf.") else "left", no_wrap=True)
    table.add_column("refused by")  # the one that gives way where the terminal is narrow
    for number, decision in enumerate(scanned.decisions, 1):
        analysis, verdicts = decision.analysis, decision.verdicts
        if analysis.problem:
            table.add_row(str(number), analysis.symbol, "", "", "", "", "", "", analysis.problem)
            continue
        fmqs = analysis.fmqs.value if analysis.fmqs is not None else None
        table.add_row(
            str(number),
            analysis.symbol,
            analysis.side,
            f"{analysis.score:.1f}",
            "–" if fmqs is None else f"{fmqs:.0f}",
            "–" if analysis.confidence is None else f"{analysis.confidence:.0f}%",
            analysis.regime,
            "".join("●" if verdict.passed else "○" for verdict in verdicts),
            refused_by(verdicts),
        )
    console.print(table)
    names = next((decision.verdicts for decision in scanned.decisions if decision.verdicts), ())
    console.print(f"Gates, left to right: {', '.join(verdict.gate for verdict in names)}.", style="dim")
    console.print("Gate 7 (persistence) asks about the scan before: a single scan has none.", style="dim")


def refused_by(verdicts: Sequence[Verdict]) -> str:
    """Return the first gate that refused, and how many more did."""
    refused = [verdict.gate for verdict in verdicts if not verdict.passed]
    return "" if not refused else refused[0] if len(refused) == 1 else f"{refused[0]} +{len(refused) - 1}"


def run(
    screen: Screen, show: Callable[[Scanned], None], *, forker: Forker, wait: bool, simulated: int, seed: int
) -> bool:
    """Run `scan` from a place without a loop."""
    return asyncio.run(scan(screen, show, forker=forker, wait=wait, simulated=simulated, seed=seed))
