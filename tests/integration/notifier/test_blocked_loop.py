"""A channel that blocks the event loop of its process: the process ends, another one serves its destinations."""

from __future__ import annotations

import asyncio
from pathlib import Path

import psutil
import pytest

from tests.integration.notifier.conftest import Stage
from tests.integration.notifier.test_a_new_channel import copy_of_the_project, publish, start_from
from tests.integration.notifier.test_delivery import numbered, settled
from tests.integration.notifier.test_pool import processes
from tests.patience import until

pytestmark = [pytest.mark.slow, pytest.mark.asyncio, pytest.mark.timeout(600)]
BLOCKING = '''
"""A channel whose library waits for the other side without asyncio."""

import socket
from typing import Literal

from shared.sending.channel import Channel, ChannelLimits
from shared.sending.destination import WebDestination


class BlockingDestination(WebDestination):
    channel: Literal["blocking"]


async def send(outgoing, destination, context):
    with socket.create_connection(("127.0.0.1", {port})) as connection:
        connection.recv(1)
    return "received"


ENTRY = Channel(
    name="blocking",
    title="Blocking",
    settings=BlockingDestination,
    send=send,
    limits=ChannelLimits(text=80),
    examples={{"blocking": {{"channel": "blocking", "url": "https://blocking.example.org/"}}}},
    summary="The title alone.",
)
'''


class SilentOnce:
    """A server that leaves its first client without an answer and hangs up on all others."""

    def __init__(self) -> None:
        self.kept: asyncio.StreamWriter | None = None
        self.is_silent = asyncio.Event()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.kept is not None:
            writer.close()
            return
        self.kept = writer
        self.is_silent.set()


async def test_a_channel_that_blocks_costs_its_process(idle_stage: Stage, tmp_path: Path) -> None:
    """The blocked delivery becomes `unknown`; what comes meanwhile is sent by the next process, once each."""
    stage, silent = idle_stage, SilentOnce()
    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    project = copy_of_the_project(tmp_path)
    (project / "shared" / "channels" / "blocking.py").write_text(BLOCKING.format(port=port), encoding="utf-8")
    deliverer = start_from(project, stage)
    blocking = {"channel": "blocking", "url": "https://blocking.example.org/"}
    house = stage.webhook()
    await publish(stage, {"blocking": blocking, "house": house})
    await stage.tell(numbered(1))
    await asyncio.wait_for(silent.is_silent.wait(), 240)
    (first,) = await until(lambda: processes(deliverer.pid))
    await stage.tell(numbered(2))
    reports = await stage.until(settled(4))
    (second,) = await until(lambda: [one for one in processes(deliverer.pid) if one.pid != first.pid])
    assert isinstance(second, psutil.Process)
    assert not first.is_running()
    ends = {(report.alert_id, report.destination): report.status for report in reports if report.status != "retrying"}
    assert ends[numbered(1).alert_id, "blocking"] == "unknown"
    assert ends[numbered(2).alert_id, "blocking"] == "sent"
    assert ends[numbered(2).alert_id, "house"] == "sent"
    server.close()
