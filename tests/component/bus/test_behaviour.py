"""What every bus does, in memory, on Valkey 9 and on Redis 7 alike."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest

from shared.bus import BLOCK_MS, MAX_TRIES, Commit, CommitResult, Lease, LeaseLost, RedisBus, StateChange, to_wire
from shared.contracts import MutesChanged, ScanOpened, SettingsChanged, Stream
from tests.component.bus.conftest import World

pytestmark = pytest.mark.asyncio
IN, OUT = Stream.SCANS, Stream.DECISIONS


def opened(scan_id: int, symbols: int = 1) -> ScanOpened:
    return ScanOpened(
        scan_id=scan_id,
        symbols=tuple(f"S{number}USDT" for number in range(symbols)),
        settings_version=1,
        opened_at=scan_id,
    )


async def outputs(world: World) -> list[int]:
    found = await world.bus.tail({OUT: "0-0"}, block_ms=0)
    return [message.scan_id for _, _, message in found if isinstance(message, ScanOpened)]


async def test_group_begins_at_the_beginning(world: World) -> None:
    """A group that is created late still gets what was there before it, large messages unharmed."""
    sent = [opened(1), opened(2, 3_000)]
    await world.bus.publish(IN, sent)
    got = await world.bus.read("g", "c", [IN], block_ms=0)
    assert [delivery.message for delivery in got] == sent
    assert await world.bus.read("g", "c", [IN], block_ms=0) == []


async def test_read_waits_for_a_message(world: World) -> None:
    """A blocking read returns as soon as something arrives, and empty at its end."""
    reading = asyncio.ensure_future(world.bus.read("g", "c", [IN], block_ms=BLOCK_MS))
    await asyncio.sleep(0.1)
    assert not reading.done()
    await world.bus.publish(IN, [opened(1)])
    assert len(await reading) == 1
    started = time.monotonic()
    assert await world.bus.read("g", "c", [IN], block_ms=200) == []
    assert time.monotonic() - started > 0.15


async def test_a_cancellation_always_ends_the_waiting(world: World) -> None:
    """Whichever step a read has come to when it is cancelled, it ends, and the bus goes on."""
    await world.bus.ensure_group(IN, "g")
    for steps in range(20):
        for waiting in (world.bus.tail({IN: "0-0"}, block_ms=2_000), world.bus.read("g", "c", [IN], block_ms=2_000)):
            task = asyncio.ensure_future(waiting)
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            [ended] = await asyncio.gather(task, return_exceptions=True)
            assert isinstance(ended, asyncio.CancelledError), steps
    await world.bus.publish(IN, [opened(1)])
    assert len(await world.bus.read("g", "c", [IN], block_ms=0)) == 1


async def test_commit_counts_once(world: World) -> None:
    """The second commit of one message is `done` and writes nothing, whichever consumer holds the message."""
    await world.bus.publish(IN, [opened(1)])
    [first] = await world.bus.read("g", "a", [IN], block_ms=0)
    [second] = await world.bus.claim("g", "b", IN, min_idle_ms=0)
    answers = await world.bus.commit_all(
        [Commit(tokens=[d.token], outputs=[(OUT, opened(9))]) for d in (first, second)]
    )
    assert answers == [CommitResult.COMMITTED, CommitResult.DONE]
    assert await outputs(world) == [9]


async def test_stale_is_asked_before_anything_is_written(world: World) -> None:
    """A wrong version or lease answers `stale`; the message stays pending and nothing is added."""
    await world.bus.publish(IN, [opened(1)])
    [delivery] = await world.bus.read("g", "c", [IN], block_ms=0)
    wrong_version = Commit(tokens=[delivery.token], outputs=[(OUT, opened(9))], state=StateChange("s", 5, {"a": b"1"}))
    wrong_lease = Commit(tokens=[delivery.token], outputs=[(OUT, opened(9))], lease=Lease("l", "me"))
    assert await world.bus.commit_all([wrong_version, wrong_lease]) == [CommitResult.STALE] * 2
    assert await outputs(world) == []
    assert (await world.bus.load_state("s")).version == 0
    assert len(await world.bus.pending("g", "c", [IN])) == 1


async def test_state_moves_with_the_commit(world: World) -> None:
    """Fields are set and deleted, and the version counts up with each commit."""
    await world.bus.commit(Commit(state=StateChange("s", 0, {"a": b"1", "b": b"2"})))
    await world.bus.commit(Commit(state=StateChange("s", 1, {"a": None, "c": b"\x00"})))
    state = await world.bus.load_state("s")
    assert (state.version, dict(state.fields)) == (2, {"b": b"2", "c": b"\x00"})


async def test_partly_acknowledged_tokens_pass(world: World) -> None:
    """A commit of several messages passes while one of them is still pending: state must guard it."""
    await world.bus.publish(IN, [opened(1), opened(2)])
    one, two = await world.bus.read("g", "c", [IN], block_ms=0)
    await world.bus.commit(Commit(tokens=[one.token]))
    both = Commit(tokens=[one.token, two.token], outputs=[(OUT, opened(9))])
    assert await world.bus.commit_all([both, both]) == [CommitResult.COMMITTED, CommitResult.DONE]
    assert await outputs(world) == [9]


async def test_claim_leaves_the_busy_alone(world: World) -> None:
    """Only a message that has been idle long enough changes hands, and its tries are counted."""
    await world.bus.publish(IN, [opened(1)])
    await world.bus.read("g", "a", [IN], block_ms=0)
    assert await world.bus.claim("g", "b", IN, min_idle_ms=60_000) == []
    [claimed] = await world.bus.claim("g", "b", IN, min_idle_ms=0)
    assert claimed.tries == 2
    assert await world.bus.pending("g", "a", [IN]) == []


async def test_five_tries_then_dead(world: World) -> None:
    """A message that always fails is put aside with its error; put back once, it is delivered again."""
    await world.bus.publish(IN, [opened(1)])
    [delivery] = await world.bus.read("g", "c", [IN], block_ms=0)
    tries = 1
    await world.bus.fail(delivery, "boom")
    while got := await world.bus.claim("g", "c", IN, min_idle_ms=0):
        tries += 1
        await world.bus.fail(got[0], "boom")
    [letter] = await world.bus.dead_letters()
    assert (tries, letter.tries, letter.error, letter.stream) == (MAX_TRIES, MAX_TRIES, "boom", IN)
    await asyncio.gather(*(world.bus.dead_letters() for _ in range(8)))  # as many connections are open now
    at_once = await asyncio.gather(*(world.bus.put_back(letter.dead_id) for _ in range(8)))
    assert sorted(at_once) == [False] * 7 + [True]
    assert [d.message for d in await world.bus.read("g", "c", [IN], block_ms=0)] == [opened(1)]
    assert await world.bus.dead_letters() == []


async def test_what_a_handler_gives_up_is_put_aside_with_its_error_and_tries(world: World) -> None:
    """Only a message that is still pending goes; put aside, it is pending no more."""
    await world.bus.publish(IN, [opened(1), opened(2)])
    bad, good = await world.bus.read("g", "c", [IN], block_ms=0)
    await world.bus.commit(Commit(tokens=[good.token]))
    for delivery in (bad, good):
        await world.bus.put_aside(replace(delivery, tries=5), "boom")
    [letter] = await world.bus.dead_letters()
    assert (letter.entry_id, letter.error, letter.tries) == (bad.token.entry_id, "boom", 5)
    assert (await world.bus.backlog(IN, "g")).pending == 0


async def test_a_killer_takes_nobody_with_it(world: World) -> None:
    """Messages that were delivered beside one that kills its process are committed, not put aside."""
    await world.bus.publish(IN, [opened(number) for number in range(5)])
    await world.bus.read("g", "dead", [IN], block_ms=0)
    done: set[int] = set()
    for number in range(30):
        for delivery in await world.bus.claim("g", f"c{number}", IN, min_idle_ms=0):
            assert isinstance(delivery.message, ScanOpened)
            if delivery.message.scan_id == 0:
                break  # the process dies here
            if await world.bus.commit(Commit(tokens=[delivery.token])) is CommitResult.COMMITTED:
                done.add(delivery.message.scan_id)
    assert done == {1, 2, 3, 4}
    assert len(await world.bus.dead_letters()) == 1


async def test_unreadable_is_put_aside(world: World) -> None:
    """Bytes that are no message go to the dead letters, for followers they are skipped."""
    await world.add_raw(IN, b"\xffrubbish")
    await world.add_raw(IN, b"\x28\xb5\x2f\xfdrubbish")
    await world.bus.publish(IN, [opened(1)])
    assert [d.message for d in await world.bus.read("g", "c", [IN], block_ms=0)] == [opened(1)]
    assert [letter.error.split(":")[0] for letter in await world.bus.dead_letters()] == ["unreadable"] * 2
    assert [message for _, _, message in await world.bus.tail({IN: "0-0"}, block_ms=0)] == [opened(1)]


async def test_entries_are_as_they_came(world: World) -> None:
    """A follower that reads the bytes itself gets those that are no message, too."""
    first = await world.add_raw(IN, b"\xffrubbish")
    [second] = await world.bus.publish(IN, [opened(1)])
    entries = await world.bus.entries({IN: "0-0"}, block_ms=0)
    assert entries == [(IN, first, b"\xffrubbish"), (IN, second, to_wire(opened(1)))]
    assert await world.bus.entries({IN: second}, block_ms=0) == []


async def test_trimmed_while_pending(world: World) -> None:
    """An entry that was trimmed while it was pending is let go, by its consumer and by a claim."""
    await world.bus.publish(IN, [opened(1), opened(2)])
    await world.bus.read("g", "a", [IN], count=1, block_ms=0)
    await world.bus.read("h", "a", [IN], count=1, block_ms=0)
    await world.trim_all(IN)
    assert await world.bus.pending("g", "a", [IN]) == []
    assert await world.bus.claim("h", "b", IN, min_idle_ms=0) == []
    assert [(await world.bus.backlog(IN, group)).pending for group in "gh"] == [0, 0]


async def test_lost_groups_are_made_anew(world: World) -> None:
    """After the bus lost everything, reading goes on from the beginning of what is there."""
    await world.bus.publish(IN, [opened(1)])
    [lost] = await world.bus.read("g", "c", [IN], block_ms=0)
    await world.wipe()
    await asyncio.sleep(0.01)  # within one millisecond an emptied bus may give the same id again
    await world.bus.publish(IN, [opened(2)])
    got = await world.bus.read("g", "c", [IN], block_ms=0) or await world.bus.read("g", "c", [IN], block_ms=0)
    assert [d.message for d in got] == [opened(2)]
    assert await world.bus.commit(Commit(tokens=[lost.token], outputs=[(OUT, opened(9))])) is CommitResult.DONE


async def test_backlog_figures(world: World) -> None:
    """Undelivered, pending and trimmed-unread are counted separately."""
    await world.bus.publish(IN, [opened(number) for number in range(10)])
    await world.bus.read("g", "c", [IN], count=4, block_ms=0)
    before = await world.bus.backlog(IN, "g")
    assert (before.length, before.undelivered, before.pending, before.trimmed_unread) == (10, 6, 4, 0)
    await world.trim_all(IN)
    after = await world.bus.backlog(IN, "g")
    assert (after.length, after.undelivered, after.trimmed_unread) == (0, 0, 6)


async def test_bounded_stream_stays_bounded(world: World) -> None:
    """A stream without readers never grows beyond its bound and one node of slack."""
    for _ in range(7):
        await world.bus.publish(Stream.SETTINGS, [opened(number) for number in range(100)])
    await world.bus.commit(Commit(outputs=[(Stream.SETTINGS, opened(number)) for number in range(100)]))
    assert 256 <= await world.length(Stream.SETTINGS) <= 256 + 100


async def test_trimming_behind_every_reader(world: World) -> None:
    """What is kept until read goes only when every group has acknowledged it, and every reader has begun."""
    stream = Stream.ALERTS
    await world.bus.publish(stream, [opened(number) for number in range(4)])
    first = await world.bus.read("api", "c", [stream], block_ms=0)
    await world.bus.commit(Commit(tokens=[delivery.token for delivery in first]))
    assert await world.bus.trim_read(stream, readers=["api", "notifier"]) == 0
    second = await world.bus.read("notifier", "c", [stream], count=3, block_ms=0)
    await world.bus.commit(Commit(tokens=[second[0].token, second[2].token]))
    assert await world.bus.trim_read(stream, readers=["api", "notifier"]) == 1
    assert await world.length(stream) == 3


async def test_lease_has_one_holder(world: World) -> None:
    """One owner holds the lease, until it expires or gives it up; only the holder may publish under it."""
    mine, yours = Lease("l", "me"), Lease("l", "you")
    assert await world.bus.acquire(mine, ttl_ms=150)
    assert not await world.bus.acquire(yours, ttl_ms=150)
    await world.bus.publish(OUT, [opened(1)], lease=mine)
    await asyncio.sleep(0.25)
    assert not await world.bus.renew(mine, ttl_ms=150)
    assert await world.bus.acquire(yours, ttl_ms=5_000)
    await world.bus.release(mine)
    with pytest.raises(LeaseLost):
        await world.bus.publish(OUT, [opened(2)], lease=mine)
    assert await outputs(world) == [1]


async def test_newest_settings_are_kept(world: World) -> None:
    """The newest event of a type is there for later readers, and followers see each."""
    for version in (1, 2):
        await world.bus.publish_settings(SettingsChanged(version=version, value={"a": version}, at=0))
    assert [event.version for event in await world.bus.newest_settings()] == [2]
    assert len(await world.bus.tail({Stream.SETTINGS: "0-0"}, block_ms=0)) == 2


async def test_the_newest_of_one_kind_of_settings_is_asked_for(world: World) -> None:
    """The newest event of a kind comes back whole, among any others; None where there is none yet."""
    assert await world.bus.newest_setting(SettingsChanged) is None
    for version in (1, 2):
        await world.bus.publish_settings(SettingsChanged(version=version, value={"a": version}, at=0))
    await world.bus.publish_settings(MutesChanged(version=7, mutes=()))
    newest = await world.bus.newest_setting(SettingsChanged)
    assert newest == SettingsChanged(version=2, value={"a": 2}, at=0)
    assert await world.bus.newest_setting(MutesChanged) == MutesChanged(version=7, mutes=())


async def test_scripts_are_loaded_again(world: World) -> None:
    """After SCRIPT FLUSH every commit is done exactly once; every key carries the market's hash tag."""
    if not isinstance(world.bus, RedisBus):
        pytest.skip("no scripts in memory")
    await world.admin.script_flush()
    assert await world.bus.commit_all([Commit(outputs=[(OUT, opened(n))]) for n in range(3)]) == ["committed"] * 3
    assert await outputs(world) == [0, 1, 2]
    await world.bus.publish_settings(SettingsChanged(version=1, value={}, at=0))
    assert {key.split(b":")[0] for key in await world.admin.keys()} == {b"{binance-um}"}


async def test_a_lost_answer_is_fetched_anew(world: World) -> None:
    """What the server delivered into a connection that broke comes with the next read."""
    if not isinstance(world.bus, RedisBus):
        pytest.skip("no connection in memory")
    await world.bus.publish(IN, [opened(1)])
    assert len(await world.bus.read("g", "c", [IN], block_ms=0)) == 1
    reading = asyncio.ensure_future(world.bus.read("g", "c", [IN], block_ms=2_000))
    await asyncio.sleep(0.1)
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    # the server had delivered it all the same
    await world.bus.publish(IN, [opened(2)])
    await world.bus.redis.xreadgroup("g", "c", {world.bus.key(IN): ">"})
    assert [d.message for d in await world.bus.read("g", "c", [IN], block_ms=0)] == [opened(2)]
