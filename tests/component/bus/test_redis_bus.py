"""What only the bus on a real server offers: transactions of one's own, and looks that take nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from redis.exceptions import ResponseError

from shared.bus import RedisBus
from shared.contracts import MutesChanged, ScanOpened, SettingsChanged, Stream


@pytest_asyncio.fixture
async def bus(fresh_valkey: str) -> AsyncIterator[RedisBus]:
    """A bus on the embedded Valkey, emptied."""
    opened = RedisBus(fresh_valkey)
    yield opened
    await opened.close()


def scan(number: int) -> ScanOpened:
    return ScanOpened(scan_id=number, symbols=(), settings_version=0, opened_at=0)


async def test_a_message_goes_out_with_commands_of_ones_own(bus: RedisBus) -> None:
    """What the caller writes and what it publishes arrive together."""
    await bus.publish_with(lambda pipe: pipe.set(bus.key("mine"), "1"), [(Stream.SCANS, scan(1))])
    assert await bus.redis.get(bus.key("mine")) == b"1"
    assert [message for _, message in await bus.newest(Stream.SCANS, 5)] == [scan(1)]


async def test_a_refused_transaction_publishes_nothing(bus: RedisBus) -> None:
    """A command that the server does not know takes the message with it."""
    with pytest.raises(ResponseError):
        await bus.publish_with(lambda pipe: pipe.execute_command("NONSENSE"), [(Stream.SCANS, scan(1))])
    assert await bus.newest(Stream.SCANS, 5) == []


async def test_the_newest_messages_are_shown_and_stay(bus: RedisBus) -> None:
    """The newest come oldest first, and a reader's group still gets all of them."""
    await bus.publish(Stream.SCANS, [scan(number) for number in range(4)])
    assert [message for _, message in await bus.newest(Stream.SCANS, 2)] == [scan(2), scan(3)]
    assert len(await bus.read("group", "me", [Stream.SCANS], block_ms=0)) == 4


async def test_one_kind_of_settings_is_decoded_once(bus: RedisBus) -> None:
    """The same object comes back until there is a newer one; other kinds do not count."""
    assert await bus.newest_setting(SettingsChanged) is None
    await bus.publish_settings(SettingsChanged(version=1, value={"a": 1}, at=0))
    first = await bus.newest_setting(SettingsChanged)
    await bus.publish_settings(MutesChanged(version=7, mutes=()))
    assert await bus.newest_setting(SettingsChanged) is first
    await bus.publish_settings(SettingsChanged(version=2, value={"a": 2}, at=0))
    newer = await bus.newest_setting(SettingsChanged)
    assert newer is not None
    assert newer.version == 2
