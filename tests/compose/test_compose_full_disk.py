"""The disk of a store is full for a while, with everything running: nothing is lost, and it goes on by itself.

Needs a Docker engine: `make test-compose`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.terminal.local import listening
from tests.compose.accidents import Line, survives
from tests.compose.conftest import running
from tests.compose.project import Project, until

pytestmark = [pytest.mark.compose, pytest.mark.timeout(1200)]

FULL = {"redis": "writing to the AOF file", "postgres": "No space left on device"}  #: what a store says


@pytest.fixture(scope="module")
def small_disks() -> Iterator[Project]:
    """The project with its stores on small disks, which stay mounted."""
    extra = Path(__file__).with_name("small-disks.yml")
    with running(Project(listening.free_port(), "sevengate-test-small", (extra,))) as project:
        project("up", "-d", "disks")
        project.up(1)
        yield project


@pytest.mark.parametrize("store", FULL)
def test_a_full_disk(small_disks: Project, lines: list[Line], store: str) -> None:
    """Not a byte is left until the store has said so; then there is room again."""

    def accident() -> None:
        before = small_disks("logs", "--no-color", store).count(FULL[store])
        fill = f"dd if=/dev/zero of=/{store}/ballast bs=64k 2>/dev/null; df /{store} | grep -q 100%"
        small_disks("exec", "-T", "disks", "sh", "-c", fill)
        until(lambda: small_disks("logs", "--no-color", store).count(FULL[store]) > before, f"{store} has said so")
        small_disks("exec", "-T", "disks", "rm", f"/{store}/ballast")

    survives(small_disks, lines)(f"the disk of {store} full", accident)
