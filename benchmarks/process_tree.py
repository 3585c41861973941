"""What a process and its descendants take, from /proc: memory and processor time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import psutil

MIB = 2**20


@dataclass(frozen=True)
class Memory:
    """What some processes hold, MiB."""

    resident: float  #: all pages; those that are shared count for each process
    proportional: float  #: a shared page counts in parts that add up to one (PSS)
    private: float  #: pages that no other process has (USS)

    def __add__(self, other: Memory) -> Memory:
        proportional, private = self.proportional + other.proportional, self.private + other.private
        return Memory(self.resident + other.resident, proportional, private)


NOTHING: Final = Memory(0.0, 0.0, 0.0)


def memory_of(process: psutil.Process) -> Memory:
    """Return what *process* itself holds; nothing once it has ended."""
    try:
        held = process.memory_full_info()
    except psutil.NoSuchProcess:
        return NOTHING
    return Memory(held.rss / MIB, held.pss / MIB, held.uss / MIB)


def tree(pid: int) -> list[psutil.Process]:
    """Return the process *pid* and all below it."""
    root = psutil.Process(pid)
    return [root, *root.children(recursive=True)]
