"""`./sevengate test-alert [DESTINATION]`: send a real sample and say what came of it."""

from __future__ import annotations

import subprocess
import sys
from typing import Annotated

import typer


def test_alert(  # not a test, whatever pytest's naming says
    destination: Annotated[str, typer.Argument(help="Its name in config.yaml; all destinations without one.")] = "",
) -> None:
    """Send a sample alert to DESTINATION, or to all, and wait for the outcome."""
    arguments = [sys.executable, "-m", "services.notifier.sample", *([destination] if destination else [])]
    raise typer.Exit(subprocess.run(arguments, check=False).returncode)


test_alert.__test__ = False  # type: ignore[attr-defined]
