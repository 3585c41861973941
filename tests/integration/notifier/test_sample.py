"""`test-alert` and sending again, through running processes."""

from __future__ import annotations

import asyncio
import sys

import pytest

from shared.contracts import Alert
from tests.integration.notifier.conftest import ROOT, Stage
from tests.integration.notifier.sinks import status

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(180)]


async def run(stage: Stage, *names: str, module: str = "services.notifier.sample") -> tuple[int | None, str]:
    """Run the command; return its exit status and what it printed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", module, *names),
        env=stage.environment,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode, output.decode()


async def test_a_sample_reaches_its_destination_even_when_parked(stage: Stage) -> None:
    """The outcome is told and the exit status follows it; a sample that succeeds ends the parking."""
    stage.sink.answers.append(status(410))
    await stage.route(house=stage.webhook())
    code, output = await run(stage, "house")
    assert (code, "rejected" in output) == (1, True), output
    code, output = await run(stage)
    assert (code, "house (webhook): sent" in output) == (0, True), output
    assert (await run(stage, "shed"))[0] == 2


async def test_what_did_not_arrive_is_listed_and_sent_again(stage: Stage, fresh_signal: Alert) -> None:
    """A rejected delivery is found by its alert, repeated once, and then no longer listed."""
    stage.sink.answers.append(status(400))
    await stage.route(house=stage.webhook())
    await stage.tell(fresh_signal)
    await stage.until(lambda reports: [report.status for report in reports] == ["rejected"])
    desk = "services.notifier.resend"
    assert f"rejected  house            {fresh_signal.alert_id}" in (await run(stage, module=desk))[1]
    assert (await run(stage, "no such alert", module=desk))[0] == 1
    assert (await run(stage, fresh_signal.alert_id, module=desk))[0] == 0
    await stage.until(lambda reports: [report.status for report in reports] == ["rejected", "sent"])
    assert "0 did not arrive" in (await run(stage, module=desk))[1]
    assert len(stage.sink.received) == 2
