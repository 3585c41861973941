"""What the tests share: embedded stores, and the recorded data where it is present."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from services.terminal import stores
from services.terminal.supervisor import die_with_parent

ROOT = Path(__file__).resolve().parents[1]
SHARED_DATA = Path(os.environ.get("SEVENGATE_SHARED_DATA", ROOT.parent / "shared" / "data"))


@contextmanager
def running(argv: Sequence[str], *, stop: signal.Signals = signal.SIGTERM) -> Iterator[subprocess.Popen[bytes]]:
    """Run *argv* while the block runs; kill it when it does not end by itself within ten seconds."""
    process = subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        preexec_fn=die_with_parent,  # noqa: PLW1509 a killed test run leaves no server behind
    )
    try:
        yield process
    finally:
        process.send_signal(stop)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture(scope="session")
def valkey_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an embedded Valkey without a file; shared by the session, see `fresh_valkey`."""
    store = stores.valkey(tmp_path_factory.mktemp("valkey"), durable=False)
    with running(store.argv):
        stores.wait_for_valkey(store.url)
        yield store.url


@pytest.fixture
def fresh_valkey(valkey_url: str) -> str:
    """The address of the embedded Valkey, emptied."""
    with redis.Redis.from_url(valkey_url) as client:
        client.flushall()
    return valkey_url


@pytest.fixture(scope="session")
def redis7_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the system's own Redis server, run by the test."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server is not installed (apt-get install redis-server)")
    port = stores.free_port()
    url = f"redis://127.0.0.1:{port}/0"
    folder = str(tmp_path_factory.mktemp("redis"))
    with running([program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]):
        stores.wait_for_valkey(url)
        yield url


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an embedded Postgres' database `sevengate`; see `fresh_database`."""
    store = stores.postgres(tmp_path_factory.mktemp("postgres"), durable=False)
    with running(store.argv, stop=signal.SIGINT):
        stores.wait_for_postgres(store.url)
        yield store.url


@pytest.fixture
def fresh_database(postgres_url: str) -> str:
    """The address of a new, empty database."""
    url = f"{postgres_url.rpartition('/')[0]}/test_{uuid.uuid4().hex}"
    stores.create_database(url)
    return url


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of recorded market data, which is not part of the project."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no recorded market data in {SHARED_DATA} (SEVENGATE_SHARED_DATA names its folder)")
    return SHARED_DATA
