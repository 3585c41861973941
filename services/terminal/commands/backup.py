"""`sevengate backup`, `restore` and `upgrade`: the API's program of backups, on the database of this machine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from services.terminal.output.answers import refuse

PROGRAM: Final = ("services.terminal.local.processes.program", "services.api.backup")
File = Annotated[Path, typer.Argument(help="The file of the backup; - is standard output or input.")]


def backup(
    file: File,
    history: Annotated[bool, typer.Option("--history", help="The five-minute history's files too.")] = False,
    archive: Annotated[bool, typer.Option("--archive", help="The archived months of decisions too.")] = False,
    decisions: Annotated[
        bool, typer.Option(help="Every coin of every scan, most of the size, or only what came of it.")
    ] = True,
) -> None:
    """Save database and settings in FILE, while everything runs; it holds secrets."""
    asked = {"--history": history, "--archive": archive, "--no-decisions": not decisions}
    words = [word for word, wanted in asked.items() if wanted]
    _run("a backup", ["save", str(file), *words], alone=False)


def restore(
    file: File,
    discard: Annotated[bool, typer.Option("--discard", help="Drop the database that was in use.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Only try it, in a database that is dropped again.")] = False,
) -> None:
    """Replace the database by what FILE has, once that has been checked; Sevengate must not run."""
    if check:
        _run("a check of a backup", ["verify", str(file)], alone=False)
    _run("a restore", ["restore", str(file), *(["--discard"] if discard else [])], alone=True)


def upgrade() -> None:
    """Back up, verify, and bring the database up to this version; where that fails, everything is as before."""
    _run("an upgrade", ["upgrade"], alone=True)


def _run(purpose: str, arguments: list[str], *, alone: bool) -> None:
    """Run the program and leave with its exit status."""
    from services.terminal.commands import database
    from services.terminal.local import data_folder, stores
    from shared.config.environment import Environment

    command = [sys.executable, "-m", *PROGRAM, *arguments]
    try:
        with database.at_hand(Environment(), purpose, alone=alone) as url:
            done = subprocess.run(command, check=False, env={**os.environ, "SEVENGATE_DATABASE_URL": url})
    except (data_folder.FolderInUseError, stores.StoreError) as error:
        refuse(str(error))
    raise typer.Exit(done.returncode)
