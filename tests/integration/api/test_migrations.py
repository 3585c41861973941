"""The tables are created even after kills while they were being created."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import psycopg
import pytest

from services.api.store.database import migrate
from tests.conftest import ROOT

MIGRATE = (
    "import sys; print('ready', flush=True); from services.api.store.database import migrate; migrate(sys.argv[1])"
)


def tables(url: str) -> set[str]:
    """Return the names of the tables."""
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    return {row[0] for row in rows}


@pytest.mark.timeout(600)
def test_a_first_start_that_was_killed_is_completed_by_the_next(fresh_database: str) -> None:
    """Killed at any moment of the first migration, the next start needs no help."""
    in_the_middle = 0
    for step in range(12):
        argv = [sys.executable, "-c", MIGRATE, fresh_database]
        with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            deadline = time.monotonic() + 30
            while step % 2 and time.monotonic() < deadline and not tables(fresh_database):
                time.sleep(0.001)  # until it has begun to write, for every second one
            time.sleep(0.01 * step)
            in_the_middle += process.poll() is None
            process.send_signal(signal.SIGKILL)
    assert in_the_middle
    migrate(fresh_database)
    assert {"decisions", "alerts", "deliveries", "scans"} <= tables(fresh_database)


def test_a_lock_that_a_dead_process_left_does_not_hold(fresh_database: str) -> None:
    """The migrations' own lock row is broken by the process that holds the database's lock."""
    migrate(fresh_database)
    with psycopg.connect(fresh_database, autocommit=True) as connection:
        connection.execute("INSERT INTO yoyo_lock (locked, ctime, pid) VALUES (1, now(), 999999)")
    migrate(fresh_database)
    with psycopg.connect(fresh_database) as connection:
        assert connection.execute("SELECT count(*) FROM yoyo_lock").fetchone() == (0,)
