"""The bus between the services: Redis streams with a one-script commit.

A stage reads messages under a group, and commits what came of them in one Lua script: it compares
the state's version and the lease (mismatch: ``stale``), acknowledges (nothing to acknowledge:
``done``, somebody else has committed), and only then adds the outputs and sets the state.
The pending entry is the token, so nothing is lost and nothing doubled whoever is killed when.

Import from here.  `contract` has the words, `wire` the encoding, `redis_bus` the bus itself, and `memory`
(imported by its own name) the same within one process.
"""

from __future__ import annotations

from shared.bus.contract import (
    BLOCK_MS,
    MAX_RESTARTS,
    MAX_TRIES,
    RETENTION,
    SUSPECT_TRIES,
    Backlog,
    Bus,
    Commit,
    CommitResult,
    DeadLetter,
    Delivery,
    Lease,
    LeaseLost,
    Retention,
    State,
    StateChange,
    Token,
)
from shared.bus.redis_bus import RedisBus, wait_for_redis
from shared.bus.wire import from_wire, to_wire

__all__ = [
    "BLOCK_MS",
    "MAX_RESTARTS",
    "MAX_TRIES",
    "RETENTION",
    "SUSPECT_TRIES",
    "Backlog",
    "Bus",
    "Commit",
    "CommitResult",
    "DeadLetter",
    "Delivery",
    "Lease",
    "LeaseLost",
    "RedisBus",
    "Retention",
    "State",
    "StateChange",
    "Token",
    "from_wire",
    "to_wire",
    "wait_for_redis",
]
