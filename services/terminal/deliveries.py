"""`./sevengate test-alert` and `resend`: the notifier's own programs, on the bus of the house that runs here."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Annotated

import typer

from services.terminal.answers import refuse


def test_alert(  # not a test, whatever pytest's naming says
    destination: Annotated[str, typer.Argument(help="Its name in config.yaml; all destinations without one.")] = "",
) -> None:
    """Send a sample alert to DESTINATION, or to all, and wait for the outcome."""
    _run("sample", destination)


test_alert.__test__ = False  # type: ignore[attr-defined]


def resend(
    alert_id: Annotated[str, typer.Argument(help="Which one to send again; without it they are listed.")] = "",
    destination: Annotated[str, typer.Argument(help="To this destination only.")] = "",
) -> None:
    """List what did not arrive in the last day, or send it again."""
    _run("resend", alert_id, destination)


def _run(program: str, *words: str) -> None:
    """Run the notifier's *program* and end with its exit status."""
    from services.terminal.house import NO_BUS, known_redis

    url = known_redis()
    if not url:
        refuse(NO_BUS)
    surroundings = {**os.environ, "SEVENGATE_REDIS_URL": url}
    arguments = [sys.executable, "-m", f"services.notifier.{program}", *(word for word in words if word)]
    raise typer.Exit(subprocess.run(arguments, check=False, env=surroundings).returncode)
