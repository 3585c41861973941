"""`test-alert` and sending again, through running processes."""

from __future__ import annotations

import asyncio
import json
import sys

import pytest

from shared.contracts import Alert
from tests.integration.notifier.conftest import ROOT, Stage
from tests.integration.notifier.sinks import status

pytestmark = [pytest.mark.slow, pytest.mark.asyncio, pytest.mark.timeout(600)]


async def run(stage: Stage, *names: str, module: str = "services.notifier.cli.test_alert") -> tuple[int | None, str]:
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


async def command(stage: Stage, *words: str) -> tuple[int | None, str]:
    """Run the launcher's command."""
    return await run(stage, *words, module="services.terminal")


async def test_a_sample_reaches_its_destination_even_when_suspended(stage: Stage) -> None:
    """The outcome is printed and sets the exit status; a sample that succeeds ends the suspension."""
    stage.sink.answers.append(status(410))
    await stage.route(house=stage.webhook())
    code, output = await run(stage, "house")
    assert (code, "rejected" in output) == (1, True), output
    code, output = await run(stage)
    assert (code, "house (webhook): sent" in output) == (0, True), output
    assert json.loads(stage.sink.received[-1].body)["symbol"] == "TESTUSDT"
    code, output = await run(stage, "shed")
    assert (code, "No destination is called 'shed'. There are: house." in output) == (2, True), output


async def test_what_did_not_arrive_is_listed_and_sent_again(stage: Stage, fresh_signal: Alert) -> None:
    """A rejected delivery is found by its alert, repeated once, and then no longer listed."""
    stage.sink.answers.append(status(400))
    await stage.route(house=stage.webhook())
    await stage.tell(fresh_signal)
    await stage.until(lambda reports: [report.status for report in reports] == ["rejected"])
    assert f"rejected  house            {fresh_signal.alert_id}" in (await command(stage, "resend"))[1]
    code, output = await command(stage, "resend", "no such alert")
    assert (code, "is not among what did not arrive" in output) == (1, True), output
    assert (await command(stage, "resend", fresh_signal.alert_id, "shed"))[0] == 1
    assert (await command(stage, "resend", fresh_signal.alert_id, "house"))[0] == 0
    await stage.until(lambda reports: [report.status for report in reports] == ["rejected", "sent"])
    assert "0 did not arrive" in (await command(stage, "resend"))[1]
    assert len(stage.sink.received) == 2


async def test_mistakes_are_answered_in_words(idle_stage: Stage) -> None:
    """No traceback: a bus without settings, a bus that is away, a dead letter that is none."""
    code, output = await command(idle_stage, "test-alert")
    assert (code, "no settings on the bus" in output) == (2, True), output
    code, output = await command(idle_stage, "dead-letters", "put-back", "nosuch")
    assert (code, "there is no dead letter 'nosuch'" in output) == (1, True), output
    idle_stage.environment["SEVENGATE_REDIS_URL"] = "redis://127.0.0.1:1/0"
    for words in (("test-alert",), ("resend",)):
        code, output = await command(idle_stage, *words)
        assert (code, "The bus does not answer" in output, "Traceback" in output) == (2, True, False), output
