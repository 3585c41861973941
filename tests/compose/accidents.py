"""An accident to a Compose project, and what is checked after it: nothing recorded is lost, each alert is sent once."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tests.chaos.recorded import recorded
from tests.compose.project import Project, until, until_received, until_scanning, untold


@dataclass(frozen=True)
class Line:
    """What was done, and what there was afterwards."""

    what: str
    seconds: float  #: until three more scans were settled
    held: str

    def __str__(self) -> str:
        return f"| {self.what} | {self.seconds:.0f} s | {self.held} |"


#: makes the accident that the text names, and checks
Survives = Callable[[str, Callable[[], None]], None]


def survives(project: Project, table: list[Line]) -> Survives:
    """Return what makes an accident to *project*, and writes it into *table*."""

    def check(what: str, accident: Callable[[], None]) -> None:
        until_received(project, "signal:")
        before, received, started = recorded(project.rows), project.received(), time.monotonic()
        accident()
        until_scanning(project)
        seconds = time.monotonic() - started
        after = recorded(project.rows)
        assert before.missing(after) == []
        assert received - project.received() == {}
        until(lambda: not untold(project), "every alert told", 60)
        table.append(Line(what, seconds, f"{after}; lost 0, twice {project.twice()}"))

    return check


def kill(containers: Iterable[str]) -> None:
    """SIGKILL to the first process of each container."""
    subprocess.run(["docker", "kill", *containers], check=True, capture_output=True)


def remove_volume(name: str) -> None:
    """Remove a volume of the project."""
    subprocess.run(["docker", "volume", "rm", name], check=True, capture_output=True)
