"""Decisions are kept whole for some days, then narrow; those of an earlier version become so while all goes on."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import httpx
import msgspec
import psycopg
from psycopg.types.json import Jsonb

from services.api.context import Context
from services.api.recorder import CONSUMER, GROUP, STREAMS
from services.api.store import queries
from services.api.store.database import Database
from services.api.store.ladder import older
from services.api.store.ladder.retention import retain
from services.api.store.recovery import state as recovery
from shared.bus import to_wire
from shared.contracts import DAY_MS, HOUR_MS, SCAN_MS, Decision, Message, Stream, Verdict
from shared.settings import RecordingSettings, RuntimeSettings
from tests.integration.api import facts

NEWEST = facts.SCAN + 4 * DAY_MS
#: As the version before this one stored a decision.
AS_BEFORE = """
    INSERT INTO decisions (symbol, scan_id, settings_version, side, score, long_score, short_score, fmqs, confidence,
        agreement, regime, strength, entry, stop, target, reward_to_risk, weak, appeared, passed, outcome, problem,
        signal_id, verdicts, record)
    VALUES (%s, %s, 1, 'long', %s, %s, %s, 57, 38, 61, 'TRENDING', 3, 100.5, 98, 106, 2.1, false, %s, %s, %s, '', %s,
        %s, %s)
"""


def refused(symbol: str, scan_id: int, score: float = 40.0, count: int = 2) -> Decision:
    """Return a decision that *count* gates refused."""
    made = facts.decision(symbol, scan_id, score=score)
    verdicts = tuple(
        msgspec.structs.replace(verdict, passed=number >= count, distance=-1.0 if number < count else 0.0)
        for number, verdict in enumerate(made.verdicts)
    )
    return msgspec.structs.replace(made, verdicts=verdicts)


async def record(api: Context, stream: Stream, *messages: Message) -> None:
    await api.bus.publish(stream, messages)
    while found := await api.bus.read(GROUP, CONSUMER, STREAMS, count=500, block_ms=20):
        await api.recorder.record(found)


async def whole_ones(database: Database) -> list[tuple[str, int]]:
    rows = await database.rows("SELECT symbol, scan_id FROM whole_decisions ORDER BY symbol, scan_id")
    return [(row["symbol"], row["scan_id"]) for row in rows]


async def test_after_some_days_a_plain_refusal_is_narrow(api: Context, client: httpx.AsyncClient) -> None:
    """A signal and a near miss stay whole; the refusal still shows its gates, scores, values and bar."""
    made = (
        facts.decision("AAAUSDT", passed=True),
        refused("BBBUSDT", facts.SCAN, count=1),
        refused("CCCUSDT", facts.SCAN),
    )
    await record(api, Stream.DECISIONS, *made, refused("CCCUSDT", NEWEST))
    await record(api, Stream.SCANS, facts.opened(NEWEST), facts.settled(NEWEST))
    before = [await explained(client, name) for name in ("AAAUSDT", "BBBUSDT", "CCCUSDT")]
    assert await retain(api.database, RecordingSettings()) == []
    assert await whole_ones(api.database) == [
        ("AAAUSDT", facts.SCAN),
        ("BBBUSDT", facts.SCAN),
        ("CCCUSDT", NEWEST),
    ]
    after = [await explained(client, name) for name in ("AAAUSDT", "BBBUSDT", "CCCUSDT")]
    assert after[:2] == before[:2]
    lost = {"timeframes", "groups", "fmqs_detail", "plan", "agreement_parts", "forecast", "figures", "worth", "levels"}
    assert differing(before[2], after[2]) == lost
    no_record = {"record": "the record of that time is not kept", "comparable": None}
    assert after[2]["worth"] == after[2]["levels"]["worth"] == before[2]["worth"] | no_record
    assert after[2]["levels"] == before[2]["levels"] | {"worth": after[2]["worth"]}
    for name in ("gates", "alignment", "close", "bar", "fmqs", "score", "confidence", "expected_r"):
        assert after[2][name] == before[2][name], name
    assert [frame["long_score"] for frame in after[2]["timeframes"]] == [40.0] * 3
    assert after[2]["timeframes"][0]["values"] == {}


async def test_a_signal_outlives_its_month(api: Context, client: httpx.AsyncClient) -> None:
    """Once the month's decisions are dropped, signals and near misses are explained with every figure."""
    made = (facts.decision("AAAUSDT", passed=True), refused("BBBUSDT", facts.SCAN, count=1))
    later = facts.SCAN + 70 * DAY_MS
    await record(api, Stream.DECISIONS, *made, refused("CCCUSDT", facts.SCAN), refused("AAAUSDT", later))
    await record(api, Stream.SCANS, facts.opened(later), facts.settled(later))
    before = [await explained(client, name) for name in ("AAAUSDT", "BBBUSDT")]
    assert len(await retain(api.database, RecordingSettings(retention_days=30, archive=False))) == 1
    assert [await explained(client, name) for name in ("AAAUSDT", "BBBUSDT")] == before
    found = await queries.decisions_before(api.database, "AAAUSDT", later, 10)
    assert [one.analysis.scan_id for one in found] == [later, facts.SCAN]
    assert (await client.get("/api/coins/CCCUSDT/explain", params={"at": facts.SCAN})).status_code == 404


async def explained(client: httpx.AsyncClient, symbol: str) -> dict[str, Any]:
    answer = await client.get(f"/api/coins/{symbol}/explain", params={"at": facts.SCAN, "scans": 2})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def differing(one: dict[str, Any], other: dict[str, Any]) -> set[str]:
    return {name for name in one if one[name] != other[name]}


async def test_what_the_last_days_hold_stays_whole(api: Context) -> None:
    """Up to the hours that are set, by the newest scan."""
    scans = [NEWEST - hours * HOUR_MS for hours in (0, 71, 72, 73, 96)]
    await record(api, Stream.DECISIONS, *(refused("AAAUSDT", scan) for scan in scans))
    await record(api, Stream.SCANS, facts.opened(NEWEST), facts.settled(NEWEST))
    await retain(api.database, RecordingSettings())
    assert await whole_ones(api.database) == [("AAAUSDT", scan) for scan in scans[2::-1]]
    await retain(api.database, RecordingSettings(whole_hours=1))
    assert await whole_ones(api.database) == [("AAAUSDT", NEWEST)]
    assert len(await queries.decisions_before(api.database, "AAAUSDT", NEWEST, 10)) == len(scans)


def as_before(url: str, decisions: list[Decision]) -> None:
    """Store *decisions* as the version before this one did."""
    with psycopg.connect(url, options="-c sevengate.market=binance-um") as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS decisions_all PARTITION OF decisions DEFAULT")
        for one in decisions:
            analysis = one.analysis
            verdicts = {verdict.gate: shown(verdict) for verdict in one.verdicts}
            scores = analysis.score, analysis.long_score, analysis.short_score
            values = one.appeared, one.passed, one.outcome, one.signal_id, Jsonb(verdicts), to_wire(one)
            connection.execute(AS_BEFORE.encode(), [analysis.symbol, analysis.scan_id, *scores, *values])


def shown(verdict: Verdict) -> dict[str, Any]:
    return {name: value for name, value in msgspec.structs.asdict(verdict).items() if name != "gate"}


def earlier_market() -> list[Decision]:
    """Return 1,200 decisions of three coins, some signals and near misses among them."""
    return [
        facts.decision(symbol, scan, passed=True)
        if number % 40 == 0
        else refused(symbol, scan, score=40.0 + number % 30, count=1 + number % 3)
        for number, (symbol, scan) in enumerate(
            itertools.product(("AAAUSDT", "BBBUSDT", "CCCUSDT"), range(NEWEST - 399 * SCAN_MS, NEWEST + 1, SCAN_MS))
        )
    ]


async def read_back(database: Database) -> list[tuple[str, int, float, tuple[tuple[str, bool, str], ...]]]:
    """Return what a reader sees of every decision, whole or narrow."""
    found = [
        one
        for symbol in ("AAAUSDT", "BBBUSDT", "CCCUSDT")
        for one in await queries.decisions_before(database, symbol, NEWEST, 1_000)
    ]
    return [
        (
            one.analysis.symbol,
            one.analysis.scan_id,
            one.analysis.score,
            tuple((verdict.gate, verdict.passed, verdict.reason) for verdict in one.verdicts),
        )
        for one in found
    ]


async def test_decisions_of_an_earlier_version_become_narrow(api: Context, fresh_database: str) -> None:
    """However often it is interrupted no row is lost, and all say what they said; a second run finds nothing."""
    made = earlier_market()
    as_before(fresh_database, made)
    database = api.database
    before = await read_back(database)
    assert len(before) == len(made)
    done = 0
    for _ in range(2):  # interrupted after one batch, twice
        goes = iter((True, False))
        done += await older.make_narrow(database, NEWEST, 72, lambda goes=goes: next(goes))  # type: ignore[misc]
        assert await older.left(database) == len(made) - done
        assert await read_back(database) == before
    assert done == 2 * older.BATCH
    done += await older.make_narrow(database, NEWEST, 24)
    assert done == len(made)
    assert await read_back(database) == before
    assert await older.make_narrow(database, NEWEST, 24) == await older.left(database) == 0
    young = {
        (one.analysis.symbol, one.analysis.scan_id) for one in made if one.analysis.scan_id >= NEWEST - 24 * HOUR_MS
    }
    kept = {
        (one.analysis.symbol, one.analysis.scan_id)
        for one in made
        if one.signal_id or sum(not verdict.passed for verdict in one.verdicts) == 1
    }
    assert young | kept <= set(await whole_ones(database))


async def test_one_that_nobody_can_read_stays_as_it_is(api: Context, fresh_database: str) -> None:
    """It is passed over, and the rest goes on."""
    as_before(fresh_database, earlier_market()[:30])
    await api.database.execute(
        "UPDATE decisions SET record = 'no decision' WHERE scan_id = %s", [NEWEST - 399 * SCAN_MS]
    )
    assert await older.make_narrow(api.database, NEWEST, 72) == 29
    assert await older.left(api.database) == 1
    rows = await api.database.rows("SELECT count(*) AS n FROM decisions WHERE record = 'no decision'")
    assert rows[0]["n"] == 1


async def test_the_room_of_whole_ones_is_given_back(api: Context, fresh_database: str) -> None:
    """The month's table is rewritten once all its rows are narrow, and not before."""
    as_before(fresh_database, earlier_market())
    size = "SELECT pg_total_relation_size('decisions_all') AS bytes"
    before = (await api.database.rows(size))[0]["bytes"]
    assert await older.give_room_back(api.database) == []
    await older.make_narrow(api.database, NEWEST, 1)
    assert await older.give_room_back(api.database) == ["decisions_all"]
    assert await older.give_room_back(api.database) == []
    assert (await api.database.rows(size))[0]["bytes"] < before / 5


async def test_a_streak_of_before_goes_on(api: Context, fresh_database: str, tmp_path: Path) -> None:
    """What an emptied bus is told is the same before and after the rows became narrow."""
    appeared = facts.decision("AAAUSDT", NEWEST, passed=True)
    as_before(fresh_database, [appeared])
    await record(api, Stream.SCANS, facts.opened(NEWEST), facts.settled(NEWEST))
    before = await recovery.restored_state(api.database, RuntimeSettings(), 1, 0)
    assert before.rows == {"AAAUSDT": 2}
    await older.make_narrow(api.database, NEWEST, 72)
    assert (await recovery.restored_state(api.database, RuntimeSettings(), 1, 0)) == before
