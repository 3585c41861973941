"""The recorder: everything is stored once, and acknowledged only when it is."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from services.api.context import Context
from services.api.recorder import CONSUMER, GROUP, STREAMS
from services.api.store.database import Database, DatabaseAwayError
from services.api.store.ladder.retention import keep_retention, retain
from shared.bus import RETENTION
from shared.contracts import SCAN_MS, Message, Stream
from shared.settings import RecordingSettings
from tests.integration.api import facts
from tests.integration.api.conftest import OwnPostgres, assembled
from tests.patience import until

DAY = 86_400_000


async def read_and_record(api: Context) -> None:
    """Do one turn of the recorder's loop."""
    await api.recorder.record(await api.bus.read(GROUP, CONSUMER, STREAMS, count=2_000, block_ms=50))


async def publish(api: Context, stream: Stream, *messages: Message) -> None:
    await api.bus.publish(stream, messages)


async def publish_a_signal(api: Context) -> None:
    await publish(api, Stream.SCANS, facts.opened(), facts.settled(passed=1))
    await publish(api, Stream.DECISIONS_PASSED, facts.decision(passed=True))
    await publish(api, Stream.DECISIONS, facts.decision("BBBUSDT", score=40.0))
    await publish(api, Stream.ALERTS, facts.signal_alert())
    await publish(api, Stream.DELIVERIES, facts.report(facts.signal_alert().alert_id))


async def counts(api: Context) -> dict[str, int]:
    tables = ("scans", "decisions", "signals", "alerts", "deliveries")
    return {name: len(await api.database.rows(f"SELECT 1 FROM {name}")) for name in tables}  # noqa: S608 fixed names


async def pending(api: Context) -> int:
    return sum([(await api.bus.backlog(stream, GROUP)).pending for stream in STREAMS])


async def test_a_signal_is_recorded_with_all_that_belongs_to_it(api: Context) -> None:
    """Scan, decisions, signal, alert and delivery are stored, and nothing stays pending."""
    await publish_a_signal(api)
    await read_and_record(api)
    assert await counts(api) == {"scans": 1, "decisions": 2, "signals": 1, "alerts": 1, "deliveries": 1}
    assert await pending(api) == 0
    row = (await api.database.rows("SELECT * FROM decisions JOIN judgements USING (judgement_id) WHERE score = 40"))[0]
    assert row["symbol"] == "BBBUSDT"
    assert (row["market"], row["score"], row["outcome"]) == ("binance-um", 40, "rejected")
    assert list(row["verdicts"]) == sorted(facts.GATES, key=lambda gate: (len(gate), gate))  # as JSONB orders keys
    assert (row["verdicts"]["score"]["passed"], row["verdicts"]["persistence"]["passed"]) == (True, False)
    assert row["verdicts"]["score"]["threshold"] == 65


async def test_what_comes_twice_is_stored_once(api: Context) -> None:
    """The same messages again, as after a lost acknowledgement, change nothing."""
    await publish_a_signal(api)
    await read_and_record(api)
    await publish_a_signal(api)
    await read_and_record(api)
    assert await counts(api) == {"scans": 1, "decisions": 2, "signals": 1, "alerts": 1, "deliveries": 1}


async def test_a_signals_end_stands_whatever_the_order(api: Context) -> None:
    """An end that arrives before its beginning, and a second end after it, leave the first end."""
    await publish(api, Stream.ALERTS, facts.lifecycle_alert("target"))
    await read_and_record(api)
    await publish(api, Stream.ALERTS, facts.signal_alert(), facts.lifecycle_alert("stop", price=98.0, result_r=-1.0))
    await read_and_record(api)
    signal = (await api.database.rows("SELECT * FROM signals"))[0]
    assert (signal["status"], signal["result_r"], signal["close_price"]) == ("target", 2.2, 106.0)
    assert (signal["score"], signal["atr"]) == (72, 1.7)


async def test_an_early_end_leaves_the_signal_open(api: Context) -> None:
    """A tick announces; the closed bar decides."""
    await publish(api, Stream.ALERTS, facts.signal_alert(), facts.lifecycle_alert("stop", early=True))
    await read_and_record(api)
    signal = (await api.database.rows("SELECT status, announced FROM signals"))[0]
    assert signal == {"status": "open", "announced": "stop"}


async def test_a_poison_row_does_not_block_the_rest(api: Context) -> None:
    """Text that Postgres cannot hold stays pending with its error; its neighbours are stored."""
    poison = msgspec.structs.replace(facts.report("a"), report_id="bad", detail="\x00")
    await publish(api, Stream.DELIVERIES, facts.report("a"), poison, facts.report("b"))
    await publish(api, Stream.DECISIONS, facts.decision(scan_id=10**18), facts.decision())
    await read_and_record(api)
    assert (await counts(api))["deliveries"] == 2
    assert (await counts(api))["decisions"] == 1
    assert await pending(api) == 2


async def test_a_poison_row_ends_in_the_dead_letters_and_can_be_put_back(api: Context) -> None:
    """After five tries the message is put aside with the database's words."""
    await publish(api, Stream.DELIVERIES, msgspec.structs.replace(facts.report("a"), detail="\x00"))
    await read_and_record(api)
    for _ in range(6):
        await api.recorder.record(await api.bus.claim(GROUP, CONSUMER, Stream.DELIVERIES, min_idle_ms=0))
    (letter,) = await api.bus.dead_letters()
    assert "NUL" in letter.error
    assert await pending(api) == 0
    assert await api.bus.put_back(letter.dead_id)


async def test_nothing_is_acknowledged_while_postgres_is_away(fresh_valkey: str, own_postgres: OwnPostgres) -> None:
    """Postgres stops with messages in hand; they wait, pending, and are stored when it is back."""
    async with assembled(fresh_valkey, own_postgres.store.url, own_postgres.folder) as api:
        assert await api.database.start()
        running = asyncio.ensure_future(api.recorder.run())
        await publish_a_signal(api)
        await until(lambda: api.recorder.stored == 6)
        await own_postgres.stop()
        await publish(api, Stream.ALERTS, facts.signal_alert("BBBUSDT"), facts.signal_alert("CCCUSDT"))
        await until(lambda: api.recorder.waiting != "")
        assert await pending(api) == 2
        assert await api.bus.trim_read(Stream.ALERTS) == 1, "only what was stored may go"
        await own_postgres.start()
        await until(lambda: api.recorder.stored == 8)
        assert (await counts(api))["alerts"] == 3
        assert await pending(api) == 0
        api.service.stopping.set()
        await running


async def test_decisions_dropped_while_postgres_was_away_are_counted(
    fresh_valkey: str, own_postgres: OwnPostgres
) -> None:
    """The stream holds no more than its bound: what went beyond it unread is said, and every alert is stored."""
    bound = RETENTION[Stream.DECISIONS].at_most
    async with assembled(fresh_valkey, own_postgres.store.url, own_postgres.folder) as api:
        assert await api.database.start()
        running = asyncio.ensure_future(api.recorder.run())
        await publish_a_signal(api)
        await until(lambda: api.recorder.stored == 6)
        decisions = (await counts(api))["decisions"]
        await own_postgres.stop()
        await publish(api, Stream.ALERTS, facts.signal_alert("BBBUSDT"))
        await until(lambda: api.recorder.waiting != "")
        judged = facts.decision(score=40.0)
        for number in range(6):
            closes = range(facts.SCAN + SCAN_MS * 700 * number, facts.SCAN + SCAN_MS * 700 * (number + 1), SCAN_MS)
            analyses = [msgspec.structs.replace(judged.analysis, scan_id=close) for close in closes]
            batch = [msgspec.structs.replace(judged, analysis=analysis) for analysis in analyses]
            await publish(api, Stream.DECISIONS, *batch)
        await publish(api, Stream.ALERTS, facts.signal_alert("CCCUSDT"))
        held = (await api.bus.backlog(Stream.DECISIONS, GROUP)).length
        assert held <= bound + 100, "approximate trimming keeps whole nodes"
        await own_postgres.start()
        await until(lambda: api.recorder.stored >= 6 + 2 + held)  # more where an acknowledgement was repeated
        found = await counts(api)
        assert (found["alerts"], found["decisions"]) == (3, decisions + held)
        assert api.recorder.lost == 4_200 - held
        api.service.stopping.set()
        await running


async def test_postgres_is_found_again_after_a_long_absence(own_postgres: OwnPostgres) -> None:
    """More requests than may wait were turned away and the pool gave up; when Postgres is back, so is the database."""
    database = Database(own_postgres.store.url, timeout=0.02, patience=0.2)
    assert await database.start()
    await own_postgres.stop()
    for _ in range(80):
        with pytest.raises(DatabaseAwayError):
            await database.rows("SELECT 1")
    assert "waiting" in database.reason, "the queue is full"
    await asyncio.sleep(1.0)  # the pool's last attempt has failed meanwhile
    await own_postgres.start()

    async def answers() -> bool:
        try:
            return await database.rows("SELECT 1 AS one") == [{"one": 1}]
        except DatabaseAwayError:
            return False

    for _ in range(300):
        if await answers():
            break
        await asyncio.sleep(0.05)
    assert await answers()
    await database.close()


async def test_a_restarted_recorder_takes_up_what_was_read_and_not_stored(api: Context) -> None:
    """A process killed between reading and storing leaves pending entries; the next one stores them."""
    await publish_a_signal(api)
    await api.bus.read(GROUP, CONSUMER, STREAMS, block_ms=50)
    running = asyncio.ensure_future(api.recorder.run())
    await until(lambda: api.recorder.stored == 6)
    api.service.stopping.set()
    await running
    assert (await counts(api))["alerts"] == 1


async def test_the_recorder_goes_on_after_the_bus_lost_everything(api: Context) -> None:
    """After FLUSHALL the groups are made again and what comes then is recorded."""
    running = asyncio.ensure_future(api.recorder.run())
    await publish_a_signal(api)
    await until(lambda: api.recorder.stored == 6)
    await api.bus.redis.flushall()  # type: ignore[attr-defined]
    await publish(api, Stream.ALERTS, facts.signal_alert("BBBUSDT"))
    await until(lambda: api.recorder.stored == 7)
    api.service.stopping.set()
    await running
    assert (await counts(api))["alerts"] == 2


async def test_alerts_wait_for_a_notifier_that_never_started(api: Context) -> None:
    """Trimming keeps what the notifier has not read, even before its first start."""
    await publish_a_signal(api)
    await read_and_record(api)
    keeping = asyncio.ensure_future(keep_retention(api.service, api.bus, api.database))
    await asyncio.sleep(0.5)
    api.service.stopping.set()
    await keeping
    assert (await api.bus.backlog(Stream.ALERTS, "notifier")).undelivered == 1
    assert (await api.bus.backlog(Stream.DELIVERIES, GROUP)).length == 0


async def test_partitions_are_made_and_dropped_by_the_exchanges_clock(api: Context) -> None:
    """A replay of the past gets its months, next month's stands ready; without an archive old months go."""
    old = facts.SCAN - 120 * DAY
    await publish(api, Stream.DECISIONS, facts.decision(scan_id=old), facts.decision())
    await publish(api, Stream.SCANS, facts.opened(old), facts.opened(), facts.settled())
    await read_and_record(api)
    assert await retain(api.database, RecordingSettings(archive=False)) == ["decisions_2025_05"]
    names = await api.database.rows(
        "SELECT inhrelid::regclass::text AS n FROM pg_inherits WHERE inhparent = 'decisions'::regclass ORDER BY 1"
    )
    assert [row["n"] for row in names] == ["decisions_2025_09", "decisions_2025_10"]
    assert await counts(api) == {"scans": 1, "decisions": 1, "signals": 0, "alerts": 0, "deliveries": 0}
    await publish(api, Stream.DECISIONS, facts.decision(scan_id=old))  # a straggler gets its month again
    await read_and_record(api)
    assert (await counts(api))["decisions"] == 2


async def test_three_scans_of_150_coins_are_recorded_at_once_and_only_once(api: Context) -> None:
    """A batch as long as what an absence of a quarter of an hour leaves behind; redelivered, it changes nothing."""
    for number in range(3):
        scan = facts.SCAN + number * SCAN_MS
        await publish(api, Stream.DECISIONS, *(facts.decision(f"C{n}USDT", scan) for n in range(150)))
    deliveries = await api.bus.read(GROUP, CONSUMER, STREAMS, count=450)
    for _ in range(2):
        await api.recorder.record(deliveries)
        assert (await counts(api))["decisions"] == 450
