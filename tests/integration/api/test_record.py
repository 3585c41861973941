"""Outcomes are stored once, ended once, and summed up in a record."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import msgspec
import pytest

from services.api.app import create_app
from services.api.context import Context
from services.api.record import kept_records
from services.api.record.publisher import RecordPublisher
from services.api.record.served import USUAL_DAYS, ServedRecord, prepare_record
from services.api.recorder import CONSUMER, GROUP, STREAMS
from services.api.schemas.record import FollowedSignal, Record
from services.api.store import outcomes
from services.evaluator.domain import controls
from shared.contracts import Outcome, RecordChanged, Stream
from shared.runtime.settings_cache import SettingsCache
from tests.unit.evaluator.facts import SCAN, ended, trade

DAY = 86_400_000


@pytest.fixture
async def client(api: Context) -> AsyncIterator[httpx.AsyncClient]:
    """A program on this machine."""
    transport = httpx.ASGITransport(app=create_app(api))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8710") as client:
        yield client


def quarterly(numbers: range) -> list[Outcome]:
    """Return ended signals, one each quarter of a day, every second one a target."""
    return [ended(trade(scan_id=SCAN + n * DAY // 4, cost_r=0.14), 2.0 if n % 2 else -1.0) for n in numbers]


async def store(api: Context, *told: Outcome) -> None:
    await api.bus.publish(Stream.OUTCOMES, told)
    await api.recorder.record(await api.bus.read(GROUP, CONSUMER, STREAMS, count=2_000, block_ms=50))


async def test_an_outcome_is_begun_and_ended_once(api: Context) -> None:
    """Repeated messages in any order do not change an end; open outcomes survive the loss of the bus."""
    signal, other = trade(estimated=("taker",)), trade("short", symbol="BBBUSDT")
    planned = controls.planned(signal)
    entered = msgspec.structs.replace(planned, entry=101.0, stop=100.0, target=103.0)
    await store(api, signal, planned, other, ended(signal, 1.9), signal, ended(signal, -1.0), entered, planned)
    rows = await api.database.rows("SELECT * FROM outcomes WHERE outcome_id = %s", [signal.outcome_id])
    assert [(row["result"], row["r_net"], row["estimated"]) for row in rows] == [("target", 1.9, ["taker"])]
    assert sorted(await outcomes.followed(api.database), key=repr) == sorted([other, entered], key=repr)


async def test_the_record(api: Context, client: httpx.AsyncClient) -> None:
    """Empty, then with signals: counts, verdict, calibration; a new outcome shows at once."""
    empty = (await client.get("/api/record")).json()
    assert (empty["verdict"], empty["all"]["n"]) == ("too few yet (0 of 200)", 0)
    made = [ended(trade(scan_id=SCAN + n * DAY // 4, cost_r=0.14), 2.0 if n % 3 == 0 else -1.0) for n in range(40)]
    await store(api, *made)
    found = (await client.get("/api/record", params={"days": 3650})).json()
    assert (found["all"]["n"], found["verdict"]) == (40, "too few yet (40 of 200)")
    assert found["calibration"]["version"] == "plain"
    assert (await client.get("/api/record", params={"days": 1})).json()["all"]["n"] == 5
    assert (await client.get("/api/record", params={"days": 0})).status_code == 422


async def test_a_signal_is_told_how_setups_like_it_went(api: Context, client: httpx.AsyncClient) -> None:
    """Only what had ended before it; its controls stand beside it."""
    made = [ended(trade(scan_id=SCAN + n * DAY // 4, cost_r=0.14), 2.0 if n % 2 else -1.0) for n in range(40)]
    own = trade(scan_id=SCAN + 11 * DAY)
    await store(api, *made, own, controls.other_side(own))
    answer = (await client.get(f"/api/record/{own.outcome_id}")).json()
    assert answer["line"] == "like this: 50 of 100 reach the target first, 38 are needed; 40 in 90 days"
    assert [one["kind"] for one in answer["controls"]] == ["other side"]
    early = (await client.get(f"/api/record/{made[0].outcome_id}")).json()
    assert early["line"] == "no record yet"
    assert (await client.get("/api/record/none")).status_code == 404


async def test_what_signals_came_to_is_published_once_a_day(api: Context) -> None:
    """Nothing before it says something; then by the day of the newest outcome, of what had ended before that day."""
    publisher = RecordPublisher(api.bus, api.database)
    await store(
        api, *[ended(trade(scan_id=SCAN + n * DAY // 4, cost_r=0.14), 2.0 if n % 2 else -1.0) for n in range(8)]
    )
    await publisher.publish()
    assert await api.bus.newest_setting(RecordChanged) is None
    made = quarterly(range(8, 41))
    await store(api, *made)
    await publisher.publish()
    told = await api.bus.newest_setting(RecordChanged)
    assert told is not None
    day = made[-1].ended_at // DAY * DAY
    assert (told.version, told.since, told.forecast.version) == (day, day + 3_600_000, "plain")
    assert [(one.side, one.low, one.high, one.days) for one in told.comparable] == [("long", 2.0, 2.5, 90)]
    assert told.comparable[0].n == sum(one.ended_at < day for one in made) + 8


async def test_a_record_stands_until_the_next_day_and_comes_back_after_a_loss(api: Context) -> None:
    """Another outcome of the same day changes nothing; an emptied bus is told the same again, by any process."""
    publisher = RecordPublisher(api.bus, api.database)
    made = quarterly(range(41))
    await store(api, *made)
    await publisher.publish()
    told = await api.bus.newest_setting(RecordChanged)
    await store(api, ended(trade("short", symbol="LATEUSDT", scan_id=made[-1].scan_id), 2.0))
    await publisher.publish()
    assert await api.bus.newest_setting(RecordChanged) == told
    await api.bus.redis.flushall()  # type: ignore[attr-defined]
    await RecordPublisher(api.bus, api.database).publish()
    assert await api.bus.newest_setting(RecordChanged) == told is not None


async def test_a_bus_lost_in_a_days_first_hour_gets_the_record_that_still_counts_as_well(api: Context) -> None:
    """A service that starts then has a record for each scan: yesterday's until 01:00, today's from then on."""
    midnight = (SCAN // DAY + 12) * DAY
    made = [ended(trade(scan_id=midnight - n * DAY // 8, cost_r=0.14), 2.0 if n % 2 else -1.0) for n in range(9, 60)]
    early = trade(symbol="EARLYUSDT", scan_id=midnight)
    early = msgspec.structs.replace(ended(early, 2.0), ended_at=midnight + 20 * 60_000)
    await store(api, *made, early)
    await RecordPublisher(api.bus, api.database).publish()
    known = SettingsCache()
    for _, _, event in await api.bus.tail({Stream.SETTINGS: "0-0"}, count=1_024, block_ms=1):
        if isinstance(event, RecordChanged):
            known.recall(event)
    told = [known.record_for(midnight + minutes * 60_000) for minutes in (20, 60)]
    assert [one.version for one in told] == [midnight - DAY, midnight]
    assert all(one.comparable for one in told)
    newest = await api.bus.newest_setting(RecordChanged)
    assert newest is not None
    assert newest.version == midnight


async def test_a_long_record_is_served_as_it_was_while_it_is_computed_anew(api: Context) -> None:
    """Nobody waits for what took long once; the next question finds the new one, and `as_of` tells which it is."""
    served = ServedRecord(at_once=-1.0)
    await store(api, *quarterly(range(8)))
    first = await served.get(api.database, 90)
    made = quarterly(range(8, 12))
    await store(api, *made)
    assert await served.get(api.database, 90) == first
    await served.settle()
    second = msgspec.json.decode(await served.get(api.database, 90))
    assert (second["all"]["n"], second["as_of"]) == (12, made[-1].ended_at)


async def test_the_record_outlives_the_process(api: Context) -> None:
    """A start computes it where nobody has; the next one serves that at once and computes a newer one meanwhile."""
    made = quarterly(range(8))
    await store(api, *made)
    await prepare_record(api.service, api.database)
    first = await ServedRecord().get(api.database, USUAL_DAYS)
    assert msgspec.json.decode(first)["all"]["n"] == 8
    kept = await kept_records.read(api.database, USUAL_DAYS)
    assert kept is not None
    assert kept.answer == first
    await store(api, *quarterly(range(8, 12)))
    restarted = ServedRecord(at_once=-1.0)
    assert await restarted.get(api.database, USUAL_DAYS) == first
    await restarted.settle()
    assert msgspec.json.decode(await restarted.get(api.database, USUAL_DAYS))["all"]["n"] == 12


async def test_another_versions_record_is_not_served(api: Context) -> None:
    """It may have other fields."""
    await store(api, *quarterly(range(8)))
    await prepare_record(api.service, api.database)
    await api.database.execute("UPDATE kept_records SET program = 'older', answer = 'x'")
    assert msgspec.json.decode(await ServedRecord().get(api.database, USUAL_DAYS))["all"]["n"] == 8


async def test_the_record_is_what_its_schema_says(api: Context, client: httpx.AsyncClient) -> None:
    """Every field and no other, with figures and without."""
    Record.model_validate((await client.get("/api/record")).json())
    made = quarterly(range(41))
    strange = msgspec.structs.replace(made[0], outcome_id="anomaly", kind="anomaly", result="time", after_1h=0.01)
    beside = msgspec.structs.replace(strange, outcome_id="beside", kind="anomaly's other moment")
    await store(api, *made, controls.other_side(made[0]), strange, beside)
    whole = Record.model_validate_json(await ServedRecord().get(api.database, 90))
    assert [one.median for one in whole.anomalies] == [0.01]
    FollowedSignal.model_validate((await client.get(f"/api/record/{made[0].outcome_id}")).json())
