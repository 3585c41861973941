"""An append-only file that Valkey refuses for ever is set aside; one that it repairs itself is left alone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import redis

from services.terminal.local import stores
from services.terminal.local.listening import free_port
from services.terminal.local.processes.supervisor import Supervisor
from services.terminal.local.stack import LocalStack, Plan

KEYS = 100


@pytest.fixture
def said() -> list[str]:
    """What the user is told."""
    return []


@asynccontextmanager
async def bus(folder: Path, said: list[str]) -> AsyncIterator[redis.Redis]:
    """Start the stack's Valkey in *folder*, as `./sevengate up` does."""
    async with Supervisor(lambda *_: None) as supervisor:
        plan = Plan(folder, folder / "config.yaml", free_port(), services=())
        async with LocalStack(plan, supervisor, say=said.append) as stack:
            await stack.start_stores()
            with redis.Redis.from_url(stack.redis_url) as client:
                yield client


async def filled(folder: Path, said: list[str]) -> Path:
    """Leave the files of a Valkey that holds `KEYS` keys; return their folder."""
    async with bus(folder, said) as client:
        for number in range(KEYS):
            client.set(f"key{number}", "value" * 10)
    return folder / "valkey" / stores.APPEND_ONLY


def entries(files: Path) -> Path:
    return next(files.glob("*.incr.aof"))


def hole(files: Path) -> None:
    path = entries(files)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2] + bytes(64) + data[len(data) // 2 + 64 :])


def unknown_command(files: Path) -> None:
    path = entries(files)
    before, key, after = path.read_bytes().partition(b"key50")
    path.write_bytes(b"SXT".join(before.rsplit(b"SET", 1)) + key + after)


def base(files: Path) -> None:
    path = next(files.glob("*.base.rdb"))
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 255]))


def manifest(files: Path) -> None:
    next(files.glob("*.manifest")).write_bytes(b"")


def gone(files: Path) -> None:
    next(files.glob("*.base.rdb")).unlink()


@pytest.mark.parametrize("damage", [hole, unknown_command, base, manifest, gone], ids=lambda damage: damage.__name__)
async def test_a_broken_file_is_set_aside(tmp_path: Path, said: list[str], damage: Callable[[Path], None]) -> None:
    """Valkey starts empty and keeps what comes after; the broken files stay, and their place is said once."""
    files = await filled(tmp_path, said)
    damage(files)
    kept = {path.name: path.read_bytes() for path in files.iterdir()}
    async with bus(tmp_path, said) as client:
        assert client.dbsize() == 0
        client.set("after", "1")
    (aside,) = files.parent.glob("appendonlydir.broken-*")
    assert {path.name: path.read_bytes() for path in aside.iterdir()} == kept
    assert said == [
        f"Valkey's append-only file is broken: set aside as {aside}; Valkey starts empty, Postgres restores the state"
    ]
    async with bus(tmp_path, said) as client:
        assert client.keys() == [b"after"]
    assert len(said) == 1


async def test_a_missing_end_is_repaired_by_valkey(tmp_path: Path, said: list[str]) -> None:
    """What was written before a cut is kept, and nothing is set aside."""
    files = await filled(tmp_path, said)
    entries(files).write_bytes(entries(files).read_bytes()[:-7])
    async with bus(tmp_path, said) as client:
        assert client.dbsize() == KEYS - 1
    assert not list(files.parent.glob("appendonlydir.broken-*"))
    assert said == []


async def test_an_end_for_another_reason_keeps_the_file(tmp_path: Path, said: list[str]) -> None:
    """A port that is taken is no reason to begin empty."""
    files = await filled(tmp_path, said)
    lines = ["Warning: Could not create server TCP listening socket 127.0.0.1:6379: bind: Address already in use"]
    assert stores.set_aside_unreadable(files.parent, 1, lines) is None
    assert stores.set_aside_unreadable(files.parent, 0, ["Bad file format reading the append only file"]) is None
    assert files.exists()
