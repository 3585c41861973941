"""`./sevengate test-alert` and `resend`: the notifier's own programs, on the bus of the local stack that runs here."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Annotated

import typer

from services.terminal.output.answers import refuse


def test_alert(  # not a test, despite its name
    destination: Annotated[str, typer.Argument(help="Its name in config.yaml; all destinations without one.")] = "",
) -> None:
    """Send a sample alert to DESTINATION, or to all, and wait for the outcome."""
    _run("cli.test_alert", destination)


test_alert.__test__ = False  # type: ignore[attr-defined]


def resend(
    alert_id: Annotated[str, typer.Argument(help="Which one to send again; without it they are listed.")] = "",
    destination: Annotated[str, typer.Argument(help="To this destination only.")] = "",
) -> None:
    """List what did not arrive in the last day, or send it again."""
    _run("cli.resend", alert_id, destination)


def _run(program: str, *words: str) -> None:
    """Run the notifier's *program* and end with its exit status."""
    from services.terminal.local.data_folder import NO_BUS, known_redis

    url = known_redis()
    if not url:
        refuse(NO_BUS)
    surroundings = {**os.environ, "SEVENGATE_REDIS_URL": url}
    arguments = [f"services.notifier.{program}", *(word for word in words if word)]
    command = [sys.executable, "-m", "services.terminal.local.processes.program", *arguments]
    raise typer.Exit(subprocess.run(command, check=False, env=surroundings).returncode)
