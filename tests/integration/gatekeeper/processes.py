"""The gatekeeper as a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.conftest import ROOT


@contextmanager
def process(url: str, *argv: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run Python with *argv*, as shipped the gatekeeper; kill it in the end."""
    environment = {**os.environ, "SEVENGATE_REDIS_URL": url, "SEVENGATE_METRICS_PORT": "0"}
    command = [sys.executable, *(argv or ("-m", "services.gatekeeper"))]
    running = subprocess.Popen(command, env=environment, cwd=ROOT, stderr=subprocess.DEVNULL)
    try:
        yield running
    finally:
        running.send_signal(signal.SIGKILL)
        running.wait(10)
