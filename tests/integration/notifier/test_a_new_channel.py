"""A channel is one file: one is added to a copy of the project, and an alert arrives through it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from shared.contracts import Alert, MutesChanged, SettingsChanged, StateRestored
from shared.settings import RuntimeSettings
from tests.integration.notifier.conftest import ROOT, Stage, now_ms

pytestmark = [pytest.mark.slow, pytest.mark.asyncio, pytest.mark.timeout(600)]
PAGER = '''
"""A pager: the title as a plain text, POSTed to an address."""

from typing import Literal

from shared.sending.channel import Channel, ChannelLimits
from shared.sending.destination import WebDestination


class PagerDestination(WebDestination):
    channel: Literal["pager"]
    loud: bool = False


async def send(outgoing, destination, context):
    from shared.sending.http import post

    text = outgoing.text.title.upper() if destination.loud else outgoing.text.title
    await post(destination.url.get_secret_value(), destination.allow, limit=outgoing.timeout, content=text.encode())
    return "paged"


ENTRY = Channel(
    name="pager",
    title="Pager",
    settings=PagerDestination,
    send=send,
    limits=ChannelLimits(text=80),
    examples={"belt": {"channel": "pager", "url": "https://pager.example.org/"}},
    summary="The title alone.",
)
'''


def copy_of_the_project(folder: Path) -> Path:
    """Return a folder with the project's Python files alone."""
    for part in ("services", "shared"):
        leave_out = shutil.ignore_patterns("web", "__pycache__", "node_modules")
        shutil.copytree(ROOT / part, folder / part, ignore=leave_out)
    shutil.copy(ROOT / "pyproject.toml", folder)  # it has the version
    return folder


def start_from(project: Path, stage: Stage) -> subprocess.Popen[bytes]:
    """Start notifier and deliverer of the copy in *project*; return the deliverer."""
    for module in ("services.notifier", "services.notifier.deliverer"):
        environment = {**stage.environment, "PYTHONPATH": str(project)}
        command = [sys.executable, "-m", module]
        stage.processes.append(subprocess.Popen(command, env=environment, cwd=project))
    return stage.processes[-1]


async def publish(stage: Stage, destinations: dict[str, object]) -> None:
    """Publish these destinations, of which this process, without the new channel, does not know all."""
    value = {**RuntimeSettings().dump(), "destinations": destinations, "routes": [{"destinations": [*destinations]}]}
    await stage.bus.publish_settings(SettingsChanged(version=1, value=value, at=now_ms()))
    await stage.bus.publish_settings(MutesChanged(version=1, mutes=()))
    await stage.bus.publish_settings(StateRestored(version=1, delivered=()))


async def test_one_file_is_a_channel(idle_stage: Stage, fresh_signal: Alert, tmp_path: Path) -> None:
    """Settings, routing, worker and report know it; no other file was touched."""
    project = copy_of_the_project(tmp_path)
    (project / "shared" / "channels" / "pager.py").write_text(PAGER, encoding="utf-8")
    stage = idle_stage
    belt = {"channel": "pager", "url": f"{stage.sink.url}/page", "allow": ["127.0.0.1/32"], "loud": True}
    await publish(stage, {"belt": belt})
    start_from(project, stage)
    await stage.tell(fresh_signal)
    reports = await stage.until(lambda found: any(report.status == "sent" for report in found))
    assert [(r.destination, r.channel, r.reference) for r in reports] == [("belt", "pager", "paged")]
    assert stage.sink.received[0].body.decode() == "▲ LONG SOLUSDT"
    drawn = subprocess.run(  # noqa: ASYNC221
        [sys.executable, "-c", "from shared.destinations import CHANNELS; print(*CHANNELS)"],
        cwd=project,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "pager" in drawn.stdout.split()
