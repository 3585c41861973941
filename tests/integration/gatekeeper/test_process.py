"""The gatekeeper as a process: what a mistake in its code does to the rest, and how it is put right."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys

import pytest

from shared.bus import MAX_TRIES, DeadLetter, RedisBus
from shared.contracts import Decision, Stream
from tests.component.gatekeeper.running import begin, everything, publish, settled
from tests.conftest import ROOT
from tests.integration.gatekeeper.processes import process
from tests.patience import until
from tests.unit.gatekeeper.facts import SCAN, STEP, analysis, opened

#: a gatekeeper with a programming error in a gate
MISTAKEN = """
from services.gatekeeper import __main__ as wiring
from services.gatekeeper.domain import gates
judge = gates.judge
def mistaken(analysis, *others):
    return 1 / 0 if analysis.symbol == "BADUSDT" else judge(analysis, *others)
gates.judge = mistaken
wiring.run(wiring.NAME, wiring.main)
"""


async def scan(bus: RedisBus, number: int) -> None:
    """Open scan *number* with a good and a bad symbol."""
    scan_id = SCAN + number * STEP
    await publish(bus, Stream.SCANS, opened("AAAUSDT", "BADUSDT", scan_id=scan_id))
    await publish(bus, Stream.ANALYSES, analysis("BADUSDT", scan_id), analysis("AAAUSDT", scan_id))


@pytest.mark.timeout(600)
async def test_a_mistake_costs_one_symbol_and_is_put_right_afterwards(fresh_valkey: str) -> None:
    """The scans settle without the bad symbol; repaired, the gatekeeper takes what `dead-letters put-back` gives it."""
    bus = RedisBus(fresh_valkey)
    await begin(bus)
    with process(fresh_valkey, "-c", MISTAKEN):
        await scan(bus, 0)
        await scan(bus, 1)

        async def both() -> list[DeadLetter]:
            letters = await bus.dead_letters()
            return letters if len(letters) == 2 else []

        letters = await until(both)
        scans = await settled(bus, 2)
    assert [(one.missing, one.at_deadline) for one in scans] == [(("BADUSDT",), False)] * 2
    assert {(letter.tries, letter.error) for letter in letters} == {
        (MAX_TRIES, repr(ZeroDivisionError("division by zero")))
    }
    with process(fresh_valkey):
        command = [sys.executable, "-m", "services.terminal", "dead-letters", "put-back", "all"]
        environment = {**os.environ, "SEVENGATE_REDIS_URL": fresh_valkey}
        done = await asyncio.to_thread(subprocess.run, command, env=environment, cwd=ROOT, check=False)
        assert done.returncode == 0

        async def late() -> list[Decision]:
            found = [one for one in await everything(bus, Stream.DECISIONS) if one.outcome == "late"]
            return found if len(found) == 2 else []

        recorded: list[Decision] = await until(late)
    await bus.close()
    assert {one.decision_id for one in recorded} == {f"binance-um:BADUSDT:{SCAN}", f"binance-um:BADUSDT:{SCAN + STEP}"}
