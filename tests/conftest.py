"""What the tests share: embedded stores, and the recorded data where it is present."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from services.terminal.local import listening, stores
from services.terminal.local.processes.linux import die_with_parent
from tests import certificates

# how long an example takes, or its making, says something of the machine alone
hypothesis_settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("any machine")

ROOT = Path(__file__).resolve().parents[1]
SHARED_DATA = Path(os.environ.get("SEVENGATE_SHARED_DATA", ROOT.parent / "shared" / "data"))


def pytest_configure(config: pytest.Config) -> None:
    """Build the kernels of this checkout first; where that cannot be done, they run as they are written."""
    if not hasattr(config, "workerinput"):
        subprocess.run([sys.executable, "-m", "shared.kernels.build"], cwd=ROOT, check=False)


@pytest.fixture(autouse=True)
def signal_handlers() -> Iterator[None]:
    """Put the signal handlers back after each test: rq's workers set their own and leave them there."""
    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    yield
    for each, handler in before.items():
        signal.signal(each, handler)


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


def system_redis() -> str:
    """Return the program of the system's own Redis server, which speaks TLS; skip the test where there is none."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server is not installed (apt-get install redis-server)")
    return program


@pytest.fixture(scope="session")
def redis7_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the system's own Redis server, run by the test."""
    program = system_redis()
    port = listening.free_port()
    url = f"redis://127.0.0.1:{port}/0"
    folder = str(tmp_path_factory.mktemp("redis"))
    with running([program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]):
        stores.wait_for_valkey(url)
        yield url


@dataclass(frozen=True)
class SecuredRedis:
    """A Redis that takes TLS connections only."""

    url: str  #: of a user who may do what docs/growing.md grants, and no more
    admin_url: str


def granted_user() -> str:
    """Return the line of docs/growing.md that grants a market's user its rights, the password ``PASSWORD``."""
    line = re.search(r"^user sevengate .*$", (ROOT / "docs/growing.md").read_text(), re.MULTILINE)
    assert line is not None
    return line[0]


@pytest.fixture(scope="session")
def secured_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredRedis]:
    """The system's own Redis server with a certificate of the test's authority, and the user of docs/growing.md."""
    program = system_redis()
    folder = tmp_path_factory.mktemp("redis-tls")
    certificates.issue(folder)
    (folder / "users.acl").write_text(f"user default on >root-secret ~* &* +@all\n{granted_user()}\n")
    port = listening.free_port()
    argv = [program, *certificates.arguments(certificates.redis_options(folder, port))]
    argv += ["--bind", "127.0.0.1", "--save", "", "--dir", str(folder), "--aclfile", str(folder / "users.acl")]
    with running(argv):
        address = f"127.0.0.1:{port}/0?ssl_ca_certs={folder / 'ca.pem'}"
        stores.wait_for_valkey(f"rediss://default:root-secret@{address}")
        yield SecuredRedis(f"rediss://sevengate:PASSWORD@{address}", f"rediss://default:root-secret@{address}")


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
