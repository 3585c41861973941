"""The bus between the services: Redis streams with a one-script commit.

A stage reads messages under a group, and commits their results in one Lua script.  The script compares
the state's version and the lease (mismatch: ``stale``), acknowledges (nothing to acknowledge:
``done``, another process has committed), and only then adds the outputs and sets the state.
The pending entry is the token, so no kill at any moment loses or doubles a message.

Import from here.  `contract` has the types, `wire` the encoding, `redis_bus` the bus itself.
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
    ServiceState,
    StateChange,
    Token,
)
from shared.bus.redis_bus import RedisBus, wait_for_redis
from shared.bus.reports import ServiceReport
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
    "ServiceReport",
    "ServiceState",
    "StateChange",
    "Token",
    "from_wire",
    "to_wire",
    "wait_for_redis",
]
