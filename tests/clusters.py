"""A Valkey Cluster of three masters and three replicas, on the loopback."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.crc import key_slot
from redis.retry import Retry

from services.terminal.local import listening, stores
from shared.bus.replies import text
from tests import certificates
from tests.conftest import running, system_redis
from tests.sentinels import PASSWORD, random_port, until

SLOTS = 16_384
NODE_TIMEOUT_MS = 2_000
ANSWER_SECONDS = 1.0


@dataclass(frozen=True)
class Cluster:
    """The nodes."""

    url: str  #: as Sevengate is told it
    servers: dict[int, subprocess.Popen[bytes]]  #: port -> process
    start: Callable[[int], subprocess.Popen[bytes]]  #: the node at a port
    trust: dict[str, Any]  #: options of a client: none, or those for TLS

    def on(self, port: int) -> redis.Redis:
        """Return a client of the node at *port*."""
        once = Retry(NoBackoff(), 0)
        return redis.Redis(
            "127.0.0.1", port, password=PASSWORD, socket_timeout=ANSWER_SECONDS, retry=once, **self.trust
        )

    def master(self, market: str) -> int:
        """Return the port of the master that most nodes take for that of the keys of *market*."""
        named: Counter[int] = Counter()
        for port in self.servers:
            try:
                named[self._master_by(port, slot_of(market))] += 1
            except (redis.RedisError, LookupError):
                continue
        if not named:
            raise redis.ConnectionError("no node answers")
        return named.most_common(1)[0][0]

    def _master_by(self, port: int, slot: int) -> int:
        with self.on(port) as node:
            for first, last, master, *_ in command(node, "CLUSTER SLOTS"):
                if first <= slot <= last:
                    return int(master[1])
        raise LookupError(slot)

    def replicas(self, port: int) -> int:
        """Return how many replicas the node at *port* has, which it has to be the master of."""
        with self.on(port) as node:
            state: Any = node.info("replication")
        return int(state["connected_slaves"]) if state["role"] == "master" else 0

    def replica_of(self, master: int) -> int:
        """Return the port of the replica of the node at *master*."""
        for port in self.servers:
            with self.on(port) as node:
                state: Any = node.info("replication")
            if state["role"] == "slave" and state["master_port"] == master:
                return port
        raise LookupError(master)

    def start_again(self, port: int) -> None:
        """Start the node at *port* anew; it knows the others by its own file, and finds out that it is a replica."""
        self.servers[port] = self.start(port)

    def move(self, market: str, target: int) -> Iterator[str]:
        """Move the slot of *market* to the master at *target*, as an administrator does, a key at each step."""
        slot, source = slot_of(market), self.master(market)
        with self.on(source) as giving, self.on(target) as taking:
            command(taking, "CLUSTER SETSLOT", slot, "IMPORTING", node_id(giving))
            command(giving, "CLUSTER SETSLOT", slot, "MIGRATING", node_id(taking))
            while keys := command(giving, "CLUSTER GETKEYSINSLOT", slot, 1):
                command(giving, "MIGRATE", "127.0.0.1", target, keys[0], 0, 5_000, "AUTH", PASSWORD)
                yield text(keys[0])
            for node in (taking, giving):
                command(node, "CLUSTER SETSLOT", slot, "NODE", node_id(taking))


def slot_of(market: str) -> int:
    """Return the slot of the keys of *market*."""
    return key_slot(f"{{{market}}}:".encode())


def command(node: redis.Redis, *words: object) -> Any:
    """Return the answer of *node*."""
    return node.execute_command(*words)  # type: ignore[no-untyped-call]


def node_id(node: redis.Redis) -> str:
    """Return its name within the cluster."""
    return text(command(node, "CLUSTER MYID"))


@contextmanager
def clustered(folder: Path, *, tls: bool = False) -> Iterator[Cluster]:
    """Run a cluster while the block runs; with *tls* its nodes speak nothing else, with the system's Redis."""
    program = system_redis() if tls else str(stores.valkey_server())
    if tls:
        certificates.issue(folder)
    trust = {"ssl": True, "ssl_ca_certs": str(folder / "ca.pem")} if tls else {}
    ports = listening.free_ports(random_port(), 12)
    ports, internal = ports[:6], dict(zip(ports[:6], ports[6:], strict=True))
    with ExitStack() as stack:

        def start(port: int) -> subprocess.Popen[bytes]:
            listens = certificates.redis_options(folder, port) | {"tls-cluster": "yes"} if tls else {"port": str(port)}
            argv = [program, *certificates.arguments(listens), *server_options(port, internal[port], folder)]
            process = stack.enter_context(running(argv))
            scheme, query = ("rediss", f"?ssl_ca_certs={folder / 'ca.pem'}") if tls else ("redis", "")
            stores.wait_for_valkey(f"{scheme}://:{PASSWORD}@127.0.0.1:{port}/0{query}")
            return process

        url = address_of(ports, folder if tls else None)
        made = Cluster(url, {port: start(port) for port in ports}, start, trust)
        _join(made, ports, internal)
        yield made


def server_options(port: int, internal: int, folder: Path) -> list[str]:
    """Return the options of the node at *port*, which speaks to the others at *internal*; not where it listens."""
    argv = ["--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    argv += ["--requirepass", PASSWORD, "--masterauth", PASSWORD, "--repl-diskless-sync-delay", "0"]
    argv += ["--dbfilename", f"{port}.rdb", "--cluster-enabled", "yes", "--cluster-config-file", f"nodes-{port}.conf"]
    argv += ["--cluster-port", str(internal), "--cluster-node-timeout", str(NODE_TIMEOUT_MS)]
    return [*argv, "--cluster-replica-validity-factor", "0", "--cluster-require-full-coverage", "no"]


def _join(cluster: Cluster, ports: Sequence[int], internal: dict[int, int]) -> None:
    """Make the nodes one cluster: the first three share the slots, each of the others is a replica of one of these."""
    bounds = [number * SLOTS // 3 for number in range(4)]
    with ExitStack() as stack:
        nodes = [stack.enter_context(cluster.on(port)) for port in ports]
        for number, (node, port) in enumerate(zip(nodes, ports, strict=True)):
            command(node, "CLUSTER SET-CONFIG-EPOCH", number + 1)
            command(nodes[0], "CLUSTER MEET", "127.0.0.1", port, internal[port])
        for node, first, after in zip(nodes, bounds, bounds[1:], strict=False):
            command(node, "CLUSTER ADDSLOTSRANGE", first, after - 1)
        for node in nodes:
            until(partial(_knows_all, node, len(ports)))
        for node, master in zip(nodes[3:], nodes, strict=False):
            until(partial(command, node, "CLUSTER REPLICATE", node_id(master)))
    for master in ports[:3]:
        until(lambda port=master: cluster.replicas(port) == 1)  # type: ignore[misc]
    for port in ports:  # each knows each other's part: none would vote, or take over, before
        until(partial(_knows_parts, cluster, port))


def _knows_all(node: redis.Redis, count: int) -> bool:
    state = {text(name): text(value) for name, value in command(node, "CLUSTER INFO").items()}
    known = (state["cluster_state"], state["cluster_known_nodes"], state["cluster_slots_ok"])
    return known == ("ok", str(count), str(SLOTS))


def _knows_parts(cluster: Cluster, port: int) -> bool:
    with cluster.on(port) as node:
        return all(len(rest) == 1 for _, _, _, *rest in command(node, "CLUSTER SLOTS"))


def address_of(ports: Sequence[int], authority: Path | None = None) -> str:
    """Return the address that names *ports*, and one where nobody listens.

    *authority* is the folder of the certificate's authority where they speak TLS.
    """
    places = ",".join(f"127.0.0.1:{port}" for port in [1, *ports])
    scheme, query = ("rediss", f"?ssl_ca_certs={authority / 'ca.pem'}") if authority else ("redis", "")
    return f"{scheme}+cluster://:{PASSWORD}@{places}{query}"
