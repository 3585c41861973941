"""The Compose project that the tests run, and what is asked of it."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.chaos.invariants import all_told

ROOT = Path(__file__).resolve().parents[2]
ANALYZERS = 3
QUERY = 'PGPASSWORD=$(cat /run/sevengate/postgres-password) psql -h 127.0.0.1 -U postgres sevengate -qAt -c "$0"'


@dataclass(frozen=True)
class Project:
    """`docker compose` of this checkout; SEVENGATE_COMPOSE_EXTRA names one more file (a proxy for the build, say)."""

    port: int
    name: str = "sevengate-test"
    extra: tuple[Path, ...] = ()  #: files besides
    taken: dict[str, Counter[str]] = field(default_factory=dict)  #: alerts, by the container that received them
    may_repeat: set[str] = field(default_factory=set)  #: alerts that only a lost bus knew to be sent

    def run(self, *arguments: str, given: bytes = b"") -> bytes:
        """Return what `docker compose` with *arguments* prints; it has to succeed."""
        files = ["-f", "docker-compose.yml"]
        for extra in (os.environ.get("SEVENGATE_COMPOSE_EXTRA"), *self.extra):
            files += ["-f", str(extra)] if extra else []
        argv = ["docker", "compose", "-p", self.name, *files, "--profile", "simulator", *arguments]
        environment = {**os.environ, "SEVENGATE_API_PORT": str(self.port), "SEVENGATE_SIMULATOR_SPEED": "60"}
        done = subprocess.run(argv, cwd=ROOT, env=environment, input=given, capture_output=True, check=False)
        if done.returncode:
            told = done.stderr.decode()[-3_000:]
            raise AssertionError(f"{' '.join(arguments)}: {told}\n{self.states()}")
        return done.stdout

    def states(self) -> str:
        """Return how each container is."""
        argv = ["docker", "ps", "-a", "--filter", f"label=com.docker.compose.project={self.name}"]
        shown = ["--format", "{{.Names}} {{.Status}}"]
        return subprocess.run([*argv, *shown], capture_output=True, text=True, check=False).stdout

    def __call__(self, *arguments: str) -> str:
        return self.run(*arguments).decode()

    def up(self, analyzers: int = ANALYZERS) -> None:
        """Start what does not run, and return when everything is healthy."""
        self("up", "-d", "--scale", f"analyzer={analyzers}")
        self.until_healthy()

    def until_healthy(self) -> None:
        """Return when every container is healthy; on a busy machine some are unhealthy for a while."""
        until(lambda: not self.unhealthy(), "every container healthy", 600)

    def unhealthy(self) -> list[str]:
        """Return the services that are not healthy, of those that say how they are."""
        containers = json_lines(self("ps", "--format", "json"))
        return [each["Service"] for each in containers if each["Health"] not in ("", "healthy")]

    def rows(self, query: str) -> list[list[str]]:
        """Return what Postgres answers."""
        return [line.split("|") for line in self("exec", "-T", "postgres", "sh", "-c", QUERY, query).splitlines()]

    def containers(self, *services: str) -> list[str]:
        """Return the ids of the running containers, of these services or of all."""
        return self("ps", "-q", *services).split()

    def received(self) -> Counter[str]:
        """Return how often the receiver got each alert, with what its earlier containers had at the last call."""
        container = self("ps", "-a", "-q", "sink").strip()
        lines = self("logs", "--no-color", "--no-log-prefix", "sink").splitlines()
        self.taken[container] = Counter(
            line.split(" ", 2)[2] for line in lines if line.count(" ") >= 2
        )  # kind, symbol, id
        return sum(self.taken.values(), Counter[str]())

    def begin_anew(self) -> None:
        """Remove all containers and volumes."""
        self("down", "-v")
        self.taken.clear()
        self.may_repeat.clear()

    def twice(self) -> int:
        """Return how many alerts the receiver got more than once."""
        return sum(times > 1 for times in self.received().values())


def untold(project: Project, older: Collection[str] = ()) -> list[str]:
    """Return what contradicts that every alert has an end and arrived once where it was sent: chaos' 3 and 4.

    Alerts in *older* were not sent to this receiver.
    """
    ends: dict[str, set[str]] = {}
    for alert_id, status in project.rows("SELECT alert_id, status FROM deliveries WHERE destination = 'sink'"):
        ends.setdefault(alert_id, set()).add(status)
    # what is being sent at this moment has its time
    settled = "SELECT alert_id FROM alerts WHERE held_by = '' AND created_at < extract(epoch FROM now()) * 1000 - 20000"
    alerts = {row[0] for row in project.rows(settled)}.difference(older)
    received = project.received()
    received -= Counter({alert_id: received[alert_id] - 1 for alert_id in project.may_repeat & received.keys()})
    return all_told(alerts, ends, received)


def until(condition: Any, what: str, seconds: float = 240) -> None:
    """Return when *condition* holds; it is asked about once a second."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"in {seconds:g} s not: {what}"
        time.sleep(1)


def until_received(project: Project, text: str) -> str:
    """Return the receiver's lines once *text* is among them."""
    until(lambda: text in project("logs", "--no-color", "sink"), f"{text} delivered")
    return project("logs", "--no-color", "sink")


def until_scanning(project: Project) -> None:
    """Return when three scans more than now are settled and recorded."""
    query = "SELECT count(*) FROM scans WHERE settled_at IS NOT NULL"
    before = int(project.rows(query)[0][0])
    until(lambda: int(project.rows(query)[0][0]) >= before + 3, "three more scans settled")


def json_lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]
