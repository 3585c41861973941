"""What docker-compose.yml promises, read from the file itself: nothing has to run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from services.terminal import containers

ROOT = Path(__file__).resolve().parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
NAMED = {"redis", "postgres", "init", "fetcher", "analyzer", "gatekeeper", "notifier", "deliverer", "api"}


def test_the_services_have_their_names() -> None:
    """The names and profiles that others rely on."""
    assert {name for name, service in SERVICES.items() if not service.get("profiles")} == NAMED
    assert {profile for service in SERVICES.values() for profile in service.get("profiles", [])} == {
        "simulator",
        "monitoring",
    }


@pytest.mark.parametrize("name", SERVICES)
def test_every_container_is_hardened(name: str) -> None:
    """Read-only, without capabilities or new privileges; only `init` is root, and keeps what it needs."""
    service = SERVICES[name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    assert ("cap_add" in service) == (name == "init")
    assert (service.get("user") == "0:0") == (name == "init")
    if name != "init":
        assert service["logging"]["options"] == {"max-size": "10m", "max-file": "3"}


@pytest.mark.parametrize("name", SERVICES)
def test_nothing_but_the_loopback_is_published(name: str) -> None:
    """Published ports go past the firewall: only the dashboard and Prometheus have one, on 127.0.0.1."""
    ports = SERVICES[name].get("ports", [])
    assert bool(ports) == (name in ("api", "prometheus"))
    assert all(port.startswith("127.0.0.1:") for port in ports)


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


def test_the_simulator_brings_a_receiver_unless_somebody_configured(volume: Path) -> None:
    """A person's config.yaml is taken as it is; without one, only the simulated house tells anybody."""
    assert yaml.safe_load(containers.config(volume / "absent", simulated=False)) == {}
    assert "sink" in yaml.safe_load(containers.config(volume / "absent", simulated=True))["destinations"]
    (volume / "config.yaml").write_text("universe: {size: 7}\n", encoding="utf-8")
    assert containers.config(volume / "config.yaml", simulated=True) == "universe: {size: 7}\n"


def test_the_exchange_is_binance_unless_simulated() -> None:
    """The services are pointed at the simulator only where it runs."""
    assert containers.addresses(simulated=True)["binance-rest-url"] == "http://simulator:8700"
    assert containers.addresses(simulated=False)["binance-rest-url"].startswith("https://fapi.binance.com")
