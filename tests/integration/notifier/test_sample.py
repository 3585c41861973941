"""`test-alert` through running processes."""

from __future__ import annotations

import asyncio
import sys

import pytest

from tests.integration.notifier.conftest import ROOT, Stage
from tests.integration.notifier.sinks import status

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(90)]


async def run(stage: Stage, *names: str) -> tuple[int | None, str]:
    """Run the command; return its exit status and what it printed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "services.notifier.sample", *names),
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
