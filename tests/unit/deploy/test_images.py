"""The images: each has the packages that its services import."""

from __future__ import annotations

import importlib.metadata
import re
import sys
from functools import cache
from typing import Any

import grimp
import pytest
import yaml

from tests.conftest import ROOT

SERVICES = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
LOCKS = {
    "sevengate-scanner": "requirements-scanner.lock",
    "sevengate-alerts": "requirements-alerts.lock",
    "sevengate": "requirements.lock",
}
OURS = {name: each for name, each in SERVICES.items() if each["image"] in LOCKS}


@cache
def imports() -> Any:
    """Return what imports what, packages of others too."""
    return grimp.build_graph("services", "shared", include_external_packages=True)


def packages_of(lock: str) -> set[str]:
    """Return the names of the packages in *lock*."""
    return set(re.findall(r"(?m)^([a-z0-9-]+)==", (ROOT / lock).read_text(encoding="utf-8")))


def imported_by(service: dict[str, Any]) -> set[str]:
    """Return the packages that the module of *service*'s command imports, at its start or later."""
    module = service["command"][2]
    graph, distributions = imports(), importlib.metadata.packages_distributions()
    start = f"{module}.__main__" if f"{module}.__main__" in graph.modules else module
    names = graph.find_upstream_modules(start) - set(sys.stdlib_module_names)
    foreign = {name for name in names if name.partition(".")[0] not in ("services", "shared")}
    packages = {re.sub(r"[-_.]+", "-", distributions[name][0]).lower() for name in foreign}
    optional = packages_of("requirements-traces.lock") - packages_of("requirements.lock")  # imported where asked
    return packages - optional


@pytest.mark.parametrize("name", OURS)
def test_an_image_has_what_its_services_import(name: str) -> None:
    """Where a service comes to need another package, its image has to get it, or the service another image."""
    needed = imported_by(OURS[name])
    assert "msgspec" in needed or name == "sink"
    assert needed <= packages_of(LOCKS[OURS[name]["image"]])


def test_the_scanner_has_nothing_large_that_it_does_not_need() -> None:
    """Tables, statistics and drawing are in the other images."""
    assert packages_of(LOCKS["sevengate-scanner"]).isdisjoint({"pandas", "scipy", "pyarrow", "duckdb", "pillow"})


def pins_of(lock: str) -> set[str]:
    """Return each package of *lock* with its version, and where it has several, for what."""
    return set(re.findall(r"(?m)^([a-z0-9-]+==[^\\\n]+?) ?\\?$", (ROOT / lock).read_text(encoding="utf-8")))


@pytest.mark.parametrize("lock", ["requirements-scanner.lock", "requirements-alerts.lock"])
def test_the_images_have_the_same_versions(lock: str) -> None:
    """What is in two locks is the same in both."""
    assert len(pins_of(lock)) > 20
    assert pins_of(lock) <= pins_of("requirements.lock")
