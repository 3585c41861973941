"""The software bill of materials names what the locks install, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scripts.sbom import DASHBOARD, OURS, bill, dashboard_packages
from tests.conftest import ROOT

LOCKS = ("requirements.lock", "requirements-alerts.lock", "requirements-scanner.lock")
LOCK = """\
anyio==4.14.2 \\
    --hash=sha256:00
    # via
    #   httpx
    #   sevengate (pyproject.toml)
colorama==0.4.6 ; sys_platform == 'win32' \\
    --hash=sha256:01
    # via anyio
httpx[http2]==0.28.1 \\
    --hash=sha256:02
    # via
    #   -c requirements.lock
    #   sevengate (pyproject.toml:scanner)
"""


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_is_a_component(lock: str) -> None:
    """As many as lines with a hash begin, each once, and each is required by something in the document."""
    document = bill(ROOT / lock, 0.0)
    pins = re.findall(r"(?m)^[^\s#-].*?==\S+", (ROOT / lock).read_text(encoding="utf-8"))
    references = [component["bom-ref"] for component in document["components"]]
    python = {reference for reference in references if reference.startswith("pkg:pypi/")}
    assert len(python) == len(pins) > 0
    assert len(set(references)) == len(references)
    required = {reference for each in document["dependencies"] for reference in each["dependsOn"]}
    assert required == set(references)
    assert {each["ref"] for each in document["dependencies"]} <= {*references, OURS}


def test_what_requires_what(tmp_path: Path) -> None:
    """The direct requirements are Sevengate's own, the others those of their packages; markers are kept."""
    lock = tmp_path / "requirements.lock"
    lock.write_text(LOCK, encoding="utf-8")
    document = bill(lock, 0.0)
    required = {each["ref"]: set(each["dependsOn"]) for each in document["dependencies"]}
    anyio, colorama, httpx = "pkg:pypi/anyio@4.14.2", "pkg:pypi/colorama@0.4.6", "pkg:pypi/httpx@0.28.1"
    page = {component["bom-ref"] for component in dashboard_packages(DASHBOARD)}
    assert required == {OURS: {anyio, httpx} | page, httpx: {anyio}, anyio: {colorama}}
    marked = {component["bom-ref"]: component.get("properties") for component in document["components"]}
    assert marked[colorama] == [{"name": "sevengate:marker", "value": "sys_platform == 'win32'"}]
    assert document["metadata"]["timestamp"] == "1970-01-01T00:00:00Z"


def test_the_page_is_listed_without_its_tools() -> None:
    """What builds the dashboard is in no image."""
    names = {component["name"] for component in dashboard_packages(DASHBOARD)}
    assert "preact" in names
    assert names.isdisjoint({"vite", "vitest", "typescript"})
    assert "pkg:npm/%40preact/signals" in {c["purl"].partition("@")[0] for c in dashboard_packages(DASHBOARD)}
