"""`docker compose up` itself, with a simulated exchange: needs a Docker engine (pytest -m compose)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.terminal import stores

ROOT = Path(__file__).resolve().parents[2]
ANALYZERS = 3
Compose = Callable[..., str]

pytestmark = [pytest.mark.compose, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def port() -> int:
    return stores.free_port()


@pytest.fixture(scope="module")
def compose(port: int) -> Iterator[Compose]:
    """The running project; SEVENGATE_COMPOSE_EXTRA names one more Compose file (a proxy for the build, say)."""
    if (
        shutil.which("docker") is None
        or subprocess.run(["docker", "info"], capture_output=True, check=False).returncode
    ):
        pytest.skip("no Docker engine")
    files = ["-f", "docker-compose.yml"]
    if extra := os.environ.get("SEVENGATE_COMPOSE_EXTRA"):
        files += ["-f", extra]
    environment = {**os.environ, "SEVENGATE_API_PORT": str(port), "SEVENGATE_SIMULATOR_SPEED": "60"}

    def call(*arguments: str) -> str:
        argv = ["docker", "compose", "-p", "sevengate-test", *files, "--profile", "simulator", *arguments]
        done = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-3_000:]
        return done.stdout

    try:
        call("build", "init")
        call("up", "-d", "--wait", "--wait-timeout", "300", "--scale", f"analyzer={ANALYZERS}")
        yield call
    finally:
        call("down", "-v", "--remove-orphans")


def until_received(compose: Compose, text: str, seconds: float = 300) -> str:
    """Return the receiver's lines once *text* is among them."""
    deadline = time.monotonic() + seconds
    while text not in (lines := compose("logs", "--no-color", "sink")):
        assert time.monotonic() < deadline, "nothing was delivered in time"
        time.sleep(2)
    return lines


def test_alerts_are_delivered_once(compose: Compose) -> None:
    """With three analyzers, signals of the simulated market reach the receiver, none of them twice."""
    lines = until_received(compose, "signal:")
    ids = [line.split()[-1] for line in lines.splitlines()]
    assert len(ids) == len(set(ids))
    assert len(json_lines(compose("ps", "--format", "json", "analyzer"))) == ANALYZERS


def test_the_dashboard_answers_on_the_loopback_only(compose: Compose, port: int) -> None:
    """The page and its data come from 127.0.0.1; no other container publishes a port."""
    assert "<html" in httpx.get(f"http://127.0.0.1:{port}/").text.lower()
    assert httpx.get(f"http://127.0.0.1:{port}/health").status_code == 200
    published = {
        (row["Service"], publisher["URL"])
        for row in json_lines(compose("ps", "--format", "json"))
        for publisher in row["Publishers"] or []
        if publisher["PublishedPort"]
    }
    assert published == {("api", "127.0.0.1")}


def test_no_container_is_root_or_writable(compose: Compose) -> None:
    """What the engine really runs: another user than root, a read-only root, no capability, only named volumes."""
    ids = compose("ps", "-q").split()
    inspected = subprocess.run(["docker", "inspect", *ids], capture_output=True, text=True, check=True).stdout
    for container in json.loads(inspected):
        host = container["HostConfig"]
        assert container["Config"]["User"] not in ("", "0", "root", "0:0"), container["Name"]
        assert host["ReadonlyRootfs"], container["Name"]
        assert host["CapDrop"] == ["ALL"], container["Name"]
        assert not host["CapAdd"], container["Name"]
        volumes = [mount["Name"] for mount in container["Mounts"] if mount["Type"] == "volume"]
        assert all(name.startswith("sevengate-test_") for name in volumes), container["Name"]


def test_the_stores_want_a_password(compose: Compose) -> None:
    """Redis refuses whoever does not say it; Postgres has no trusted address."""
    answer = compose("exec", "-T", "redis", "sh", "-c", "redis-cli ping || true")
    assert "NOAUTH" in answer
    rules = compose("exec", "-T", "postgres", "sh", "-c", "grep -vE '^(#|$)' $PGDATA/pg_hba.conf")
    assert "trust" not in rules


def json_lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]
