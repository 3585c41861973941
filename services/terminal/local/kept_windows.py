"""What one `scan --once` leaves to the next: its windows, in the file that Valkey loads as it starts."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Final

from services.terminal.local.stores import VALKEY_SNAPSHOT
from shared.bus import Commit, RedisBus
from shared.contracts import Stream
from shared.reports import FETCHER
from shared.version import version

STATE: Final = f"state:{FETCHER}"
KEYS: Final = (Stream.SNAPSHOTS.value, STATE, "ban")  #: on the bus, without the market
FIELDS: Final = (b"first", b"source", b"version")  #: of the fetcher's state: where its windows are, and whose
PREFIX: Final = "windows-"


def file_of(folder: Path, *, market: str, exchange: str) -> Path:
    """Return the file in *folder* for this version's windows of *market* from the address *exchange*."""
    of = hashlib.sha256("\n".join((version(), market, exchange)).encode()).hexdigest()
    return folder / f"{PREFIX}{of[:16]}.rdb"


def give(file: Path, valkey: Path) -> None:
    """Move *file*, where there is one, to where a Valkey that is started in the folder *valkey* loads it."""
    if file.exists():
        valkey.mkdir(mode=0o700, exist_ok=True)
        file.replace(valkey / VALKEY_SNAPSHOT)


async def keep(bus: RedisBus, file: Path, valkey: Path) -> None:
    """Remove all but the windows from *bus*, and move what its Valkey in the folder *valkey* then saves to *file*.

    The services must have ended.  Raises `redis.RedisError` or `OSError`.
    """
    first = (await bus.load_state(FETCHER)).fields.get("first", b"").decode()
    kept = {bus.key(name).encode() for name in KEYS} if first else set()
    others = [key async for key in bus.redis.scan_iter(count=1_000) if key not in kept]
    if others:
        await bus.redis.delete(*others)
    if first:
        await bus.commit(Commit(trim_before={Stream.SNAPSHOTS: first}))
        state = bus.key(STATE)
        if fields := [name for name in await bus.redis.hkeys(state) if name not in FIELDS]:
            await bus.redis.hdel(state, *fields)
    await bus.redis.save()
    os.replace(valkey / VALKEY_SNAPSHOT, file)
