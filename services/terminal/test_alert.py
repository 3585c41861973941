"""`./sevengate test-alert [DESTINATION]`: send a real sample and say what came of it."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Annotated

import typer

from services.terminal.house import running_redis
from shared.settings import Environment


def test_alert(  # not a test, whatever pytest's naming says
    destination: Annotated[str, typer.Argument(help="Its name in config.yaml; all destinations without one.")] = "",
) -> None:
    """Send a sample alert to DESTINATION, or to all, and wait for the outcome."""
    surroundings = dict(os.environ)
    if not {"SEVENGATE_REDIS_URL", "SEVENGATE_REDIS_URL_FILE"} & surroundings.keys():
        url = running_redis(Environment().data_dir)
        if not url:
            typer.echo("Nothing runs here (./sevengate demo or up), and SEVENGATE_REDIS_URL names no bus.", err=True)
            raise typer.Exit(2)
        surroundings["SEVENGATE_REDIS_URL"] = url
    arguments = [sys.executable, "-m", "services.notifier.sample", *([destination] if destination else [])]
    raise typer.Exit(subprocess.run(arguments, check=False, env=surroundings).returncode)


test_alert.__test__ = False  # type: ignore[attr-defined]
