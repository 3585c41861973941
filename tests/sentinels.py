"""A Redis, its replica and three sentinels, on the loopback."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import redis

from services.terminal.local import listening, stores
from tests import certificates
from tests.conftest import running, system_redis

SERVICE = "bus"
PASSWORD = "server-secret"
SENTINEL_PASSWORD = "sentinel-secret"
DOWN_AFTER_MS = 1_000


@dataclass(frozen=True)
class Watched:
    """The servers and the sentinels that watch them."""

    url: str  #: as Sevengate is told it
    servers: dict[int, subprocess.Popen[bytes]]  #: port -> process; the first was the first master
    sentinels: tuple[int, ...]
    start: Callable[[int], subprocess.Popen[bytes]]  #: the server at a port
    trust: dict[str, Any]  #: options of a client: none, or those for TLS

    def start_again(self, port: int) -> None:
        """Start the server at *port* anew, empty, as a replica of the master of now."""
        self.servers[port] = self.start(port)
        with self.on(port) as server:
            server.replicaof("127.0.0.1", self.master())

    def on(self, port: int) -> redis.Redis:
        """Return a client of the server at *port*."""
        return redis.Redis("127.0.0.1", port, password=PASSWORD, **self.trust)

    def asked(self, port: int) -> redis.Redis:
        """Return a client of the sentinel at *port*."""
        return redis.Redis("127.0.0.1", port, password=SENTINEL_PASSWORD, **self.trust)

    def master(self) -> int:
        """Return the port of the master that the first sentinel knows."""
        with self.asked(self.sentinels[0]) as sentinel:
            return int(state_of(sentinel)["port"])


def until(found: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait until *found* returns something true; a server that does not answer yet is not."""
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(redis.RedisError):
            if found():
                return
        assert time.monotonic() < deadline, "it did not come in time"
        time.sleep(0.05)


@contextmanager
def watched(folder: Path, *options: str, tls: bool = False) -> Iterator[Watched]:
    """Run the servers, with *options*, and the sentinels while the block runs; with *tls* they speak nothing else."""
    program = system_redis()
    first, second, *sentinels = listening.free_ports(random_port(), 5)
    if tls:
        certificates.issue(folder)
    trust = {"ssl": True, "ssl_ca_certs": str(folder / "ca.pem")} if tls else {}
    with ExitStack() as stack:

        def start(port: int) -> subprocess.Popen[bytes]:
            listens = certificates.redis_options(folder, port) if tls else {"port": str(port)}
            argv = [program, *certificates.arguments(listens), *server_options(port, folder), *options]
            process = stack.enter_context(running(argv))
            scheme, query = ("rediss", f"?ssl_ca_certs={folder / 'ca.pem'}") if tls else ("redis", "")
            stores.wait_for_valkey(f"{scheme}://:{PASSWORD}@127.0.0.1:{port}/0{query}")
            return process

        servers = {port: start(port) for port in (first, second)}
        made = Watched(address_of(sentinels, folder if tls else None), servers, tuple(sentinels), start, trust)
        with made.on(second) as replica:
            replica.replicaof("127.0.0.1", first)
            until(lambda: replica.info("replication")["master_link_status"] == "up")
        for port in sentinels:
            file = sentinel_config(port, folder, first, tls=tls)
            stack.enter_context(running([program, str(file), "--sentinel"]))
        for port in sentinels:
            with made.asked(port) as sentinel:
                until(partial(_knows_all, sentinel))
        yield made


def server_options(port: int, folder: Path) -> list[str]:
    """Return the options of the server at *port*, without those that say where it listens."""
    argv = ["--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    argv += ["--requirepass", PASSWORD, "--masterauth", PASSWORD, "--repl-diskless-sync-delay", "0"]
    return [*argv, "--dbfilename", f"{port}.rdb"]


def sentinel_config(port: int, folder: Path, master: int, *, tls: bool) -> Path:
    """Write the file of the sentinel at *port*, which rewrites it itself."""
    file = folder / f"sentinel-{port}.conf"
    listens = certificates.redis_options(folder, port) if tls else {"port": str(port)}
    lines = [f"{name} {value}" for name, value in listens.items()]
    lines += ["bind 127.0.0.1", f"dir {folder}", f"requirepass {SENTINEL_PASSWORD}"]
    watch = {
        "sentinel-pass": SENTINEL_PASSWORD,
        "monitor": f"{SERVICE} 127.0.0.1 {master} 2",
        "auth-pass": f"{SERVICE} {PASSWORD}",
        "down-after-milliseconds": f"{SERVICE} {DOWN_AFTER_MS}",
        "failover-timeout": f"{SERVICE} 5000",
    }
    lines += [f"sentinel {name} {value}" for name, value in watch.items()]
    file.write_text("\n".join(lines) + "\n")
    return file


def state_of(sentinel: redis.Redis) -> dict[str, Any]:
    """Return what *sentinel* knows of the master."""
    masters: Any = sentinel.sentinel_masters()
    return dict(masters[SERVICE])


def _knows_all(sentinel: redis.Redis) -> bool:
    """Return whether it has found the replica and both other sentinels."""
    state = state_of(sentinel)
    return bool(state["num-slaves"] == 1 and state["num-other-sentinels"] == 2)


def address_of(sentinels: Sequence[int], authority: Path | None = None) -> str:
    """Return the address that names the first sentinel last, after one where none listens.

    *authority* is the folder of the certificate's authority where they speak TLS.
    """
    places = ",".join(f"127.0.0.1:{port}" for port in [1, *reversed(sentinels)])
    scheme, query = ("rediss", f"&ssl_ca_certs={authority / 'ca.pem'}") if authority else ("redis", "")
    return f"{scheme}+sentinel://:{PASSWORD}@{places}/{SERVICE}/0?sentinel_password={SENTINEL_PASSWORD}{query}"


def random_port() -> int:
    """Return where to look for free ports: below those of outgoing connections, elsewhere than other tests."""
    return 10_000 + listening.free_port() % 20_000
