"""What docker-compose.yml promises, read from the file itself: nothing has to run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.terminal.compose import init as containers
from shared.config import local_secrets

ROOT = Path(__file__).resolve().parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
NAMED = {"redis", "postgres", "init", "fetcher", "analyzer", "gatekeeper", "evaluator", "notifier", "deliverer", "api"}


def test_the_services_have_their_names() -> None:
    """The names and profiles that others rely on."""
    assert {name for name, service in SERVICES.items() if not service.get("profiles")} == NAMED
    assert {profile for service in SERVICES.values() for profile in service.get("profiles", [])} == {
        "simulator",
        "monitoring",
        "tls",
        "backtest",
    }


@pytest.mark.parametrize("name", SERVICES)
def test_every_container_is_hardened(name: str) -> None:
    """Read-only, without capabilities or new privileges; only `init` is root, and keeps what it needs.

    Caddy's program asks for the right to low ports, which it does not use.
    """
    service = SERVICES[name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    assert ("cap_add" in service) == (name in ("init", "caddy"))
    assert (service.get("user") == "0:0") == (name == "init")
    assert service["logging"]["options"] == {"max-size": "10m", "max-file": "3"}
    assert 0 < service["pids_limit"] <= 128
    assert service["mem_limit"]


def mebibytes(text: str) -> int:
    assert text.endswith("m")
    return int(text[:-1])


def test_the_limits_fit_into_a_machine_of_4_gb() -> None:
    """All that runs for years at the same time, Prometheus and Grafana too, leaves a tenth to the system."""
    passing = (["simulator"], ["backtest"])
    running = {name: each for name, each in SERVICES.items() if each.get("profiles") not in passing and name != "init"}
    copies = {name: each.get("deploy", {}).get("replicas", 1) for name, each in running.items()}
    limits = sum(mebibytes(each["mem_limit"]) * copies[name] for name, each in running.items())
    reserved = sum(mebibytes(each["mem_reservation"]) * copies[name] for name, each in running.items())
    assert limits <= 0.9 * 4096
    assert reserved <= limits / 2


@pytest.mark.parametrize("name", SERVICES)
def test_images_are_named_with_their_version(name: str) -> None:
    """Ours is built here; of every other image the tag says which version it is, and Postgres' major cannot change."""
    image = SERVICES[name]["image"]
    if image in ("sevengate", "sevengate-scanner", "sevengate-alerts"):
        return
    matched = re.fullmatch(r"\$\{SEVENGATE_[A-Z]+_IMAGE:-([a-z/]+):(v?\d[\w.-]*)\}", image)
    assert matched, image
    if name == "postgres":
        assert matched[2].startswith("17-")
        assert SERVICES[name]["environment"]["PGDATA"] == "/postgres/data"


def test_what_needs_the_bus_alone_has_no_way_out() -> None:
    """Analyzer, evaluator and the backtest's workers are on the internal network only."""
    for name in ("analyzer", "evaluator", "worker"):
        assert SERVICES[name]["networks"] == ["stores"]


def test_every_start_waits_for_what_it_needs() -> None:
    """A service starts when `init` has ended well and the stores that it uses answer."""
    for name in NAMED - {"init", "redis", "postgres"}:
        waits = {other: how["condition"] for other, how in SERVICES[name]["depends_on"].items()}
        assert waits["init"] == "service_completed_successfully"
        assert waits["redis"] == "service_healthy"
        assert (waits.get("postgres") == "service_healthy") == (name == "api")
        assert "healthcheck" in SERVICES[name]


@pytest.mark.parametrize("name", SERVICES)
def test_nothing_but_the_loopback_is_published(name: str) -> None:
    """Published ports go past the firewall: all are on 127.0.0.1, but for Caddy's, which is TLS and of a profile."""
    ports = SERVICES[name].get("ports", [])
    assert bool(ports) == (name in ("api", "prometheus", "grafana", "caddy"))
    assert name == "caddy" or all(port.startswith("127.0.0.1:") for port in ports)


def test_the_simulated_exchange_keeps_its_clock() -> None:
    """After `down` and `up` it goes on: the file is in a volume that outlives the container."""
    simulator = SERVICES["simulator"]
    (kept,) = [option.partition("=")[2] for option in simulator["command"] if option.startswith("--clock-file=")]
    assert [volume for volume in simulator["volumes"] if kept.startswith(volume.partition(":")[2] + "/")]


def test_any_service_can_be_scaled() -> None:
    """A container's name, or a fixed port on a worker, would forbid a second one."""
    assert not [name for name, service in SERVICES.items() if "container_name" in service]


def test_a_gatekeeper_stands_by() -> None:
    """One that hangs is not restarted by anybody: the other goes on."""
    assert SERVICES["gatekeeper"]["deploy"]["replicas"] == 2


def test_the_stores_are_on_a_network_of_their_own() -> None:
    """Redis and Postgres can neither be reached from outside nor reach out."""
    assert COMPOSE["networks"]["stores"]["internal"]
    for name in ("redis", "postgres"):
        assert SERVICES[name]["networks"] == ["stores"]


def test_only_those_who_send_know_the_settings_secrets() -> None:
    """config.yaml, its key and the API's lie in a volume that fetcher, analyzer, stores and simulator do not mount."""
    mounting = {
        name for name, service in SERVICES.items() if any("private:" in volume for volume in service.get("volumes", []))
    }
    assert mounting == {"init", "api", "gatekeeper", "notifier", "deliverer"}
    for name in mounting - {"init"}:
        assert SERVICES[name]["environment"]["SEVENGATE_SETTINGS_KEY_FILE"].startswith("/run/sevengate-private/")
    for name in SERVICES.keys() - mounting:
        assert not [key for key in SERVICES[name].get("environment", {}) if key.startswith("SEVENGATE_API_KEY")]


@pytest.fixture
def volume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in the place of the volume."""
    monkeypatch.setattr(containers, "SECRETS", tmp_path)
    return tmp_path


def test_passwords_are_made_once_and_are_long(volume: Path) -> None:
    """A second start keeps them; two of them differ; they have at least 128 bits."""
    first = containers.keep("redis-password")
    assert containers.keep("redis-password") == first
    assert containers.keep("postgres-password") != first
    assert len(first) >= 22
    assert first in containers.redis_config(first)


def test_the_set_up_token_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    """`init` prints the same token at every start, which the API then finds in its folder."""
    token = containers.set_up_token(tmp_path)
    assert len(token) >= 22
    assert containers.set_up_token(tmp_path) == token
    assert local_secrets.read(tmp_path, local_secrets.TOKEN) == token
    assert (tmp_path / local_secrets.TOKEN).stat().st_mode & 0o777 == 0o600


def test_the_simulator_brings_a_receiver_unless_somebody_configured(volume: Path) -> None:
    """A user's config.yaml is used unchanged; without one, only the simulator's stack has a destination."""
    assert yaml.safe_load(containers.config(volume / "absent", simulated=False)) == {}
    assert "sink" in yaml.safe_load(containers.config(volume / "absent", simulated=True))["destinations"]
    (volume / "config.yaml").write_text("universe: {size: 7}\n", encoding="utf-8")
    assert containers.config(volume / "config.yaml", simulated=True) == "universe: {size: 7}\n"


def test_the_exchange_is_binance_unless_simulated() -> None:
    """The services are pointed at the simulator only where it runs."""
    assert containers.addresses(simulated=True)["binance-rest-url"] == "http://simulator:8700"
    assert containers.addresses(simulated=False)["binance-rest-url"].startswith("https://fapi.binance.com")
