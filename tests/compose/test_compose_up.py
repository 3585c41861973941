"""`docker compose up` itself, with a simulated exchange: needs a Docker engine (pytest -m compose)."""

from __future__ import annotations

import json
import ssl
import subprocess
from collections.abc import Iterator

import httpx
import pytest

from services.terminal.local import listening
from tests.compose.project import ANALYZERS, Project, json_lines, until_received
from tests.compose.test_compose_file import SERVICES

pytestmark = [pytest.mark.compose, pytest.mark.timeout(1200)]


def test_alerts_are_delivered_once(compose: Project) -> None:
    """With three analyzers, signals of the simulated market reach the receiver, none of them twice."""
    lines = until_received(compose, "signal:")
    assert "signal:" in lines
    assert set(compose.received().values()) == {1}
    assert len(json_lines(compose("ps", "--format", "json", "analyzer"))) == ANALYZERS


def test_the_dashboard_answers_on_the_loopback_only(compose: Project) -> None:
    """The page and its data come from 127.0.0.1; no other container publishes a port."""
    assert "<html" in httpx.get(f"http://127.0.0.1:{compose.port}/").text.lower()
    assert httpx.get(f"http://127.0.0.1:{compose.port}/health").status_code == 200
    published = {
        (row["Service"], publisher["URL"])
        for row in json_lines(compose("ps", "--format", "json"))
        for publisher in row["Publishers"] or []
        if publisher["PublishedPort"]
    }
    assert published == {("api", "127.0.0.1")}


def test_no_container_is_root_or_writable(compose: Project) -> None:
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


def test_the_stores_want_a_password(compose: Project) -> None:
    """Redis refuses clients without it; Postgres trusts no address."""
    answer = compose("exec", "-T", "redis", "sh", "-c", "redis-cli ping || true")
    assert "NOAUTH" in answer
    rules = compose("exec", "-T", "postgres", "sh", "-c", "grep -vE '^(#|$)' $PGDATA/pg_hba.conf")
    assert "trust" not in rules


def here(*words: str) -> bool:
    """Return whether `docker` with *words* succeeds."""
    return subprocess.run(["docker", *words], capture_output=True, check=False).returncode == 0


@pytest.fixture
def over_tls(compose: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[httpx.Client]:
    """A client in the local network, which trusts Caddy's authority."""
    image = SERVICES["caddy"]["image"].partition(":-")[2].rstrip("}")
    if not any(here(*words, image) for words in (("image", "inspect"), ("pull", "-q"))):
        pytest.skip(f"the image {image} cannot be had here")
    port = listening.free_port()
    monkeypatch.setenv("SEVENGATE_TLS_PORT", str(port))
    tls = ("--profile", "tls")
    compose(*tls, "up", "-d", "--no-deps", "caddy")
    root = "/data/caddy/pki/authorities/local/root.crt"
    wait = f"until [ -s {root} ]; do sleep 0.2; done; cat {root}"
    trusted = ssl.create_default_context(cadata=compose(*tls, "exec", "-T", "caddy", "sh", "-c", wait))
    transport = httpx.HTTPTransport(verify=trusted, retries=10)
    try:
        with httpx.Client(base_url=f"https://127.0.0.1:{port}", transport=transport, timeout=30) as client:
            client.headers["host"] = "sevengate.local"
            yield client
    finally:
        compose(*tls, "rm", "-f", "-s", "caddy")


def test_the_local_network_has_tls_and_needs_the_token(compose: Project, over_tls: httpx.Client) -> None:
    """With Caddy's certificate the page comes; its data need a session, whose cookie leaves by TLS only."""
    named = {"sni_hostname": "sevengate.local"}
    assert "<html" in over_tls.get("/", extensions=named).text.lower()
    assert over_tls.get("/api/signals", extensions=named).status_code == 401
    token = compose("logs", "--no-log-prefix", "init").strip().rpartition("set-up token: ")[2]
    origin = {"origin": "https://sevengate.local"}
    begun = over_tls.post("/api/session", json={"token": token}, headers=origin, extensions=named)
    assert begun.status_code == 201
    assert "secure" in begun.headers["set-cookie"].lower()
    held = {"cookie": begun.headers["set-cookie"].partition(";")[0]}
    assert over_tls.get("/api/signals", headers=held, extensions=named).status_code == 200
