"""The database for one command: the one that was named, the running one, or the embedded one, started."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from services.terminal.local import data_folder, stores
from services.terminal.local.processes.linux import die_with_parent
from shared.config.environment import Environment

STOP_SECONDS: Final = 30.0


@contextmanager
def at_hand(environment: Environment, purpose: str, *, alone: bool) -> Iterator[str]:
    """Give the database's address; *alone*: nothing of ours may run on it.

    Raises `FolderInUseError`, or `StoreError` where it cannot be used.
    """
    folder = environment.data_dir
    running = data_folder.running_database(folder)
    if data_folder.is_set("DATABASE_URL"):
        yield environment.database_url.get_secret_value()
    elif running and not alone:
        yield running
    else:
        with data_folder.claim(folder, purpose), embedded(folder) as url:
            yield url


@contextmanager
def embedded(folder: Path) -> Iterator[str]:
    """Run the embedded Postgres of *folder* and give its address."""
    password = stores.password_in(folder, stores.POSTGRES_PASSWORD)
    store = stores.postgres(folder / "postgres", password=password)
    process = subprocess.Popen(
        store.argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        preexec_fn=die_with_parent,  # noqa: PLW1509 a killed command leaves no server behind
        start_new_session=True,  # Ctrl-C is for the command, which then stops it
    )
    try:
        stores.wait_for_postgres(store.url)
        yield store.url
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
