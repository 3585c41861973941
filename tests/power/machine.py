"""A computer whose power is cut: `./sevengate up` with all that it keeps on a disk that forgets what was not synced.

The exchange and the receiver of the alerts are elsewhere and run on.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil
import psycopg

from services.gatekeeper.domain import state as states
from services.terminal.local import data_folder, listening
from services.terminal.local.processes.supervisor import ROOT
from shared.bus import RedisBus
from shared.contracts import Message, Stream
from tests.chaos.recorded import Recorded, recorded
from tests.power.disk import Disk

READY_SECONDS: Final = 120.0
WATCHED: Final = (Stream.ALERTS, Stream.DELIVERIES, Stream.SCANS)
MANY: Final = 5_000  #: entries of a stream, more than one run has


@dataclass(frozen=True)
class Seen:
    """What the stores showed at a moment."""

    at: float  #: UNIX seconds
    rows: Recorded
    entries: Mapping[Stream, Mapping[str, Message]]  #: by entry id


class Machine:
    """The computer; it is off at first."""

    def __init__(self, disk: Disk, config: Path, environment: Mapping[str, str]) -> None:
        self.disk = disk
        self.data = disk.root / "data"
        self.log = config.with_name("machine.log")
        self._config, self._environment = config, environment
        self._process: subprocess.Popen[bytes] | None = None
        self.dark = 0.0  #: when every process was gone at the last cut, UNIX seconds

    def switch_on(self) -> None:
        """Start everything, as at a boot."""
        port = listening.free_port()
        argv = [sys.executable, "-m", "services.terminal", "up", "--no-browser", "--port", str(port)]
        environment = {
            **os.environ,
            **self._environment,
            **self.disk.environment,
            "SEVENGATE_DATA_DIR": str(self.data),
            "SEVENGATE_CONFIG": str(self._config),
        }
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(argv, cwd=ROOT, env=environment, stdout=log, stderr=log)

    def cut(self) -> float:
        """Cut the power: nothing is synced any more, and every process is gone; return when, UNIX seconds.

        `dark` is when the last one was gone: what was sent up to then was not synced, either.
        """
        self.disk.cut()
        at = self.dark = time.time()
        if self._process is None or self._process.poll() is not None:
            return at
        first = psutil.Process(self._process.pid)
        everyone = [first, *first.children(recursive=True)]
        for process in everyone:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait()
        _, alive = psutil.wait_procs(everyone, 20)
        assert not alive, f"still there: {alive}"
        self.dark = time.time()
        return at

    async def settled(self, scans: int) -> None:
        """Return when *scans* more scans are settled and recorded than were at first."""
        query = "SELECT count(*) FROM scans WHERE settled_at IS NOT NULL"
        deadline, first = time.monotonic() + READY_SECONDS, None
        while True:
            try:
                count = int(self.rows(query)[0][0])
                first = count if first is None else first
                if count >= first + scans:
                    return
            except (psycopg.Error, OSError):
                pass  # it does not run yet
            if self._process is None or self._process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"no {scans} scans in {READY_SECONDS:g} s; {self.last_lines()}")
            await asyncio.sleep(0.1)

    def last_lines(self) -> str:
        """Return the last of what it said."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])

    def rows(self, query: str) -> list[list[Any]]:
        """Return what Postgres answers; raise `psycopg.Error` or `OSError` where it does not."""
        url = (self.data / data_folder.DATABASE_ADDRESS).read_text(encoding="utf-8")
        with psycopg.connect(url, connect_timeout=2) as connection:
            return [list(row) for row in connection.execute(query.encode())]

    def bus(self) -> RedisBus:
        """Return the bus of this moment; whoever asks closes it."""
        return RedisBus((self.data / data_folder.BUS_ADDRESS).read_text(encoding="utf-8"))

    async def seen(self) -> Seen:
        """Return what the stores show now."""
        bus = self.bus()
        try:
            rows = recorded(self.rows)
            entries = {stream: dict(await bus.newest(stream, MANY)) for stream in WATCHED}
            return Seen(time.time(), rows, entries)
        finally:
            await bus.close()

    async def followed(self) -> set[str]:
        """Return the signals that the gatekeeper follows."""
        bus = self.bus()
        try:
            held = states.load((await bus.load_state("gatekeeper")).fields)
            return {tracked.signal.signal_id for tracked in held.signals.values()}
        finally:
            await bus.close()

    def ends(self) -> dict[str, set[str]]:
        """Return how each alert ended, as Postgres has it."""
        found: dict[str, set[str]] = {}
        for alert_id, status in self.rows("SELECT alert_id, status FROM deliveries"):
            found.setdefault(alert_id, set()).add(status)
        return found
