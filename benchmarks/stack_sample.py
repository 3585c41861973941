"""What the running services and stores hold at one moment: memory, files, connections, streams, and what is unread."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import psutil

from benchmarks.process_tree import NOTHING, memory_of, tree
from benchmarks.whole_stack import WholeStack
from shared.bus import RedisBus
from shared.contracts import Stream

WORKERS = "deliverer's workers"


@dataclass
class Sample:
    """One moment; every figure by its name."""

    hour: int
    flow: dict[str, float] = field(default_factory=dict)
    memory: dict[str, float] = field(default_factory=dict)  #: PSS, MiB
    files: dict[str, float] = field(default_factory=dict)  #: open file descriptors
    stores: dict[str, float] = field(default_factory=dict)
    streams: dict[str, float] = field(default_factory=dict)  #: entries
    unread: dict[str, float] = field(default_factory=dict)  #: entries that a group has not acknowledged

    def figures(self) -> dict[str, float]:
        """Return every figure by a name of its own."""
        named = {f"{name}, PSS MiB": value for name, value in self.memory.items()}
        named |= {f"{name}, files": value for name, value in self.files.items()}
        named |= {f"stream {name}, entries": value for name, value in self.streams.items()}
        named |= {f"unread by {name}": value for name, value in self.unread.items()}
        return self.flow | named | self.stores

    def line(self) -> str:
        """Return the figures on one line."""
        return f"hour {self.hour}: " + ", ".join(f"{name} {value:.0f}" for name, value in self.figures().items())


async def sample(stack: WholeStack, bus: RedisBus, hour: int) -> Sample:
    """Return what everything holds now."""
    found = Sample(hour)
    for name in stack.supervisor.names():
        first, *others = tree(stack.supervisor.pid(name))
        whole = name in {"postgres", "valkey"}  # a connection of Postgres is a process
        found.memory[name] = held([first, *others] if whole else [first])
        found.files[name] = files([first, *others] if whole else [first])
        if others and not whole:
            found.memory[WORKERS], found.files[WORKERS] = held(others), files(others)
    found.memory["fork server"] = held(tree(stack.forker.process.pid)[:1])
    found.memory["all services"] = sum(value for name, value in found.memory.items() if name not in OTHERS)
    await stores(bus, found)
    return found


OTHERS = frozenset({"postgres", "valkey", "simulator"})


def held(processes: list[psutil.Process]) -> float:
    """Return the proportional memory of *processes*, MiB."""
    return sum(map(memory_of, processes), NOTHING).proportional


def files(processes: list[psutil.Process]) -> int:
    """Return how many files and sockets *processes* have open."""
    count = 0
    for process in processes:
        try:
            count += process.num_fds()
        except psutil.NoSuchProcess:
            continue
    return count


async def stores(bus: RedisBus, found: Sample) -> None:
    """Add what the bus holds, and what is unread there."""
    info = await bus.redis.info()
    found.stores["Valkey's data, MiB"] = info["used_memory"] / 2**20
    found.stores["Valkey's keys"] = float(info.get("db0", {}).get("keys", 0))
    found.stores["Valkey's connections"] = float(info["connected_clients"])
    for stream in Stream:
        found.streams[stream] = float(await bus.redis.xlen(bus.key(stream)))
        if found.streams[stream]:
            for group in await bus.redis.xinfo_groups(bus.key(stream)):
                name = group["name"].decode()
                unread = (await bus.backlog(stream, name)).undelivered + float(group["pending"])
                found.unread[name] = found.unread.get(name, 0.0) + unread
    found.stores["jobs waiting"] = await waiting(bus)
    kinds = Counter([key.split(b":")[1] async for key in bus.redis.scan_iter(match="rq:*", count=5_000)])
    found.stores["jobs kept"] = float(kinds[b"job"])


async def waiting(bus: RedisBus) -> float:
    """Return how many deliveries are in the queues."""
    queues = await bus.redis.smembers("rq:queues")
    return float(sum([await bus.redis.llen(queue) for queue in queues]))
