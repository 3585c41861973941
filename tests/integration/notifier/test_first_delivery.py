"""What the first alert of a worker waits for: its channel, not imports."""

from __future__ import annotations

import json
import subprocess
import sys

FIRST = """
import asyncio, importlib, json, sys
from services.notifier.deliverer.pool_process import PRELOADED
from services.terminal.local.webhook_sink import Sink
from shared.network.authorities import trusted

async def first():
    async with Sink() as sink:
        for name in PRELOADED:
            importlib.import_module(name)
        trusted()
        from shared.sending import http
        before = set(sys.modules)
        await http.ask(sink.destination["url"], sink.destination["allow"], limit=10, content=b"{}")  # not signed: 401
        print(json.dumps(sorted(set(sys.modules) - before)))

asyncio.run(first())
"""


def test_the_first_webhook_imports_no_package() -> None:
    """What httpx imports at its first request is there before the workers are forked."""
    ran = subprocess.run([sys.executable, "-c", FIRST], capture_output=True, text=True, check=True)
    packages = {name.partition(".")[0] for name in json.loads(ran.stdout)}
    assert packages <= sys.stdlib_module_names
