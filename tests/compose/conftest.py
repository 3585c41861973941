"""The Compose projects of all tests that need a Docker engine: built, started, and removed with their volumes."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from services.terminal.local import listening
from tests.compose.accidents import Line
from tests.compose.project import Project


@pytest.fixture(scope="session")
def lines() -> Iterator[list[Line]]:
    """What was done to the projects; printed at the end."""
    done: list[Line] = []
    yield done
    print("\n")
    for line in done:
        print(line)


@contextmanager
def running(project: Project) -> Iterator[Project]:
    """Build the images of *project*, and remove it at the end."""
    if (
        shutil.which("docker") is None
        or subprocess.run(["docker", "info"], capture_output=True, check=False).returncode
    ):
        pytest.skip("no Docker engine")
    try:
        project("build")
        yield project
    finally:
        project("down", "-v", "--remove-orphans")


@pytest.fixture(scope="session")
def compose() -> Iterator[Project]:
    """The project, up."""
    with running(Project(listening.free_port())) as project:
        project.up()
        yield project
