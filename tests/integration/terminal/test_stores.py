"""The embedded stores answer at their addresses, in any folder and after any earlier run."""

from __future__ import annotations

import os
import re
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from services.terminal.checks import stores as store_checks
from services.terminal.local import listening, stores
from services.terminal.local.stores import StoreError
from tests.conftest import running


def test_valkey_is_empty_and_has_what_the_bus_needs(fresh_valkey: str) -> None:
    """The embedded Valkey is version 9 and starts empty."""
    with redis.Redis.from_url(fresh_valkey) as client:
        assert client.dbsize() == 0
        assert int(client.info("server")["valkey_version"].split(".")[0]) == 9


def test_each_database_is_new(fresh_database: str) -> None:
    """A fresh database has no table, whichever user the test runs as."""
    with psycopg.connect(fresh_database) as connection:
        row = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
    assert row == (0,)


def test_the_system_redis_answers(redis7_url: str) -> None:
    """The same tests can run against the system's Redis."""
    with redis.Redis.from_url(redis7_url) as client:
        assert client.ping()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs Postgres as somebody else")
def test_root_starts_postgres_from_a_private_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs below a folder that others cannot enter initialise a database and serve it."""
    private = tmp_path / "home"
    private.mkdir(mode=0o700)
    wheel = stores.postgres_binaries().parents[1]
    for part in wheel.parent.glob(f"{wheel.name}*"):
        if part.is_dir():
            shutil.copytree(part, private / part.name)
    programs = private / wheel.name / "pginstall" / "bin"
    monkeypatch.setattr(stores, "postgres_binaries", lambda: programs)
    store = stores.postgres(private / "data", durable=False)
    assert str(programs / "postgres") in store.argv
    with running(store.argv, stop=signal.SIGINT):
        stores.wait_for_postgres(store.url)


def test_a_pid_file_whose_number_lives_again_is_no_hindrance(tmp_path: Path) -> None:
    """After a power cut the old server's number may be another program's; the database starts all the same."""
    folder = tmp_path / "postgres"
    store = stores.postgres(folder, durable=False)
    with running([sys.executable, "-c", "import time; time.sleep(60)"]) as other:
        (folder / "postmaster.pid").write_text(f"{other.pid}\n{folder}\n1700000000\n5432\n\n127.0.0.1\n\nready\n")
        store = stores.postgres(folder, durable=False)
        with running(store.argv, stop=signal.SIGINT):
            stores.wait_for_postgres(store.url)


def test_a_server_that_still_runs_keeps_its_folder(tmp_path: Path) -> None:
    """Two servers on one folder would destroy it: the second start is refused and names the first."""
    folder = tmp_path / "postgres"
    store = stores.postgres(folder, durable=False)
    with running(store.argv, stop=signal.SIGINT):
        stores.wait_for_postgres(store.url)
        with pytest.raises(StoreError, match=r"Postgres process \d+ still runs"):
            stores.postgres(folder, durable=False)


def test_a_database_of_another_version_says_the_way_on(tmp_path: Path) -> None:
    """Files of a major version that is not installed are kept, and what to install is said."""
    folder = tmp_path / "postgres"
    folder.mkdir()
    (folder / "PG_VERSION").write_text("9\n")
    with pytest.raises(StoreError, match=r"is of Postgres 9.*postgresql-9.*SEVENGATE_DATABASE_URL.*move"):
        stores.postgres(folder)
    assert (folder / "PG_VERSION").exists()


def test_a_first_start_that_was_interrupted_begins_again(tmp_path: Path) -> None:
    """What a cut left of a database that was never whole is replaced; files of somebody else's are not."""
    (tmp_path / "postgres.new" / "base").mkdir(parents=True)
    folder = tmp_path / "postgres"
    store = stores.postgres(folder, durable=False)
    with running(store.argv, stop=signal.SIGINT):
        stores.wait_for_postgres(store.url)
    assert not (tmp_path / "postgres.new").exists()
    (folder / "PG_VERSION").unlink()
    with pytest.raises(StoreError, match="is not empty and holds no database: move it away"):
        stores.postgres(folder, durable=False)
    assert (folder / "base").exists()


@pytest.fixture
def valkey(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a Valkey started with the options of the test."""
    port = listening.free_port()
    argv = [str(stores.valkey_server()), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(tmp_path)]
    argv += ["--cluster-port", str(listening.free_port())]  # else another's, 10,000 above
    url = f"redis://127.0.0.1:{port}/0"
    with running([*argv, *request.param]):
        stores.wait_for_valkey(url)
        yield url


@pytest.mark.parametrize(
    ("valkey", "advice"),
    [
        (["--maxmemory", "64mb", "--maxmemory-policy", "allkeys-lru"], "maxmemory-policy noeviction"),
        (["--cluster-enabled", "yes"], "cluster-enabled no"),
    ],
    indirect=["valkey"],
)
def test_a_redis_that_would_lose_messages_is_refused(valkey: str, advice: str) -> None:
    """One that evicts, or is in cluster mode, is refused with what to set."""
    with pytest.raises(StoreError, match=advice):
        store_checks.check_redis(valkey)


def test_stores_that_serve_are_named_without_passwords(fresh_valkey: str, fresh_database: str) -> None:
    """What is found is the place and the version."""
    assert "version 9" in store_checks.check_redis(fresh_valkey)
    found = store_checks.check_database(fresh_database)
    assert "version 1" in found
    assert "postgres:" not in found


def test_a_user_who_may_not_create_tables_is_refused(fresh_database: str) -> None:
    """The services make their tables themselves: without the right to, the grant to run is said."""
    with psycopg.connect(fresh_database, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS guest")
        connection.execute("CREATE ROLE guest LOGIN PASSWORD 'guest'")
        connection.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    guest = re.sub(r"//.*@", "//guest:guest@", fresh_database)
    with pytest.raises(StoreError, match="GRANT CREATE ON SCHEMA public TO guest"):
        store_checks.check_database(guest)


def test_a_database_that_does_not_answer_is_named(tmp_path: Path) -> None:
    """The place and the variable are named, the password is not."""
    with pytest.raises(StoreError, match=r"127\.0\.0\.1:9 \(SEVENGATE_DATABASE_URL\)") as caught:
        store_checks.check_database("postgresql://me:geheim@127.0.0.1:9/sevengate")
    assert "geheim" not in str(caught.value)
