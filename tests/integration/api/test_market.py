"""Rows of two markets in one database never meet, and what 0.1.0 recorded is there after the upgrade."""

from __future__ import annotations

import psycopg
from yoyo import get_backend, read_migrations

from services.api.recorder import Statements
from services.api.store import counts, queries, user_settings
from services.api.store.database import MIGRATIONS, Database, migrate
from services.api.store.pages import Filter
from services.api.store.recovery import state as recovery
from shared.contracts import Message, Mute, PriceAlert
from shared.settings import RuntimeSettings
from tests.integration.api import facts

OLD_DECISION = """
    INSERT INTO decisions (symbol, scan_id, settings_version, side, score, long_score, short_score, confidence, regime,
        strength, appeared, passed, outcome, problem, signal_id, record, score_value, score_passed,
        persistence_value, persistence_passed)
    VALUES ('BTCUSDT', %s, 1, 'long', 70, 70, 20, 60, 'TRENDING', 3, true, false, 'rejected', '', '', '',
        70, true, 2, false)
"""


async def store(database: Database, *messages: Message) -> None:
    """Store *messages* as the recorder does."""
    statements = Statements()
    for message in messages:
        statements.add(message)
    async with database.connection() as connection:
        await database.ensure_partitions(connection, statements.scans)
        await statements.store(connection)


async def test_one_coin_of_two_markets_is_two_coins(fresh_database: str) -> None:
    """The same symbol, scan and side, recorded by two markets: each reads its own and nothing else."""
    one, other = Database(fresh_database), Database(fresh_database, "okx-swap")
    assert await one.start()
    assert await other.start()
    try:
        for database, score in ((one, 71.0), (other, 93.0)):
            await store(
                database,
                facts.opened(),
                facts.decision("BTCUSDT", score=score, passed=True),
                facts.signal_alert("BTCUSDT"),
            )
            await user_settings.add_mute(database, Mute(mute_id="m", until=9_000, symbol=f"{score:.0f}"))
            await user_settings.add_price_alert(
                database, PriceAlert(price_alert_id="p", symbol="BTCUSDT", condition="above", value=score)
            )
        for database, score in ((one, 71.0), (other, 93.0)):
            decided = await queries.decision(database, "BTCUSDT", facts.SCAN)
            assert decided is not None
            assert decided.analysis.score == score
            assert [row["score"] for row in (await queries.decisions(database, Filter(), 9)).rows] == [score]
            assert [found.analysis.score for found in await queries.newest_decisions(database, 0)] == [score]
            assert len((await queries.alerts(database, Filter(), 9)).rows) == 1
            people = await user_settings.load(database, 0)
            assert [mute.symbol for mute in people.mutes] == [f"{score:.0f}"]
            assert [alert.value for alert in people.price_alerts] == [score]
            assert len((await recovery.restored_state(database, RuntimeSettings(), 1, 0)).open_signals) == 1
            assert (await counts.load(database, 0))["signals"] == 1
    finally:
        await one.close()
        await other.close()


async def test_rows_of_the_first_version_keep_their_verdicts_and_get_a_market(fresh_database: str) -> None:
    """No row is lost by the upgrade; a streak that it holds still counts."""
    backend = get_backend(fresh_database.replace("postgresql://", "postgresql+psycopg://", 1))
    first = read_migrations(str(MIGRATIONS)).filter(lambda migration: migration.id == "0001.initial")
    backend.apply_migrations(backend.to_apply(first))
    backend.connection.close()
    with psycopg.connect(fresh_database) as connection:
        connection.execute("CREATE TABLE decisions_old PARTITION OF decisions DEFAULT")
        connection.execute(OLD_DECISION.encode(), [facts.SCAN])
        connection.execute(b"INSERT INTO scans (scan_id, settled_at) VALUES (%s, 1)", [facts.SCAN])
    migrate(fresh_database)
    with psycopg.connect(fresh_database) as connection:
        rows = connection.execute("SELECT market, symbol, scan_id, verdicts FROM decisions").fetchall()
    verdicts = {"score": {"passed": True, "value": 70}, "persistence": {"passed": False, "value": 2}}
    assert rows == [("binance-um", "BTCUSDT", facts.SCAN, verdicts)]
    database = Database(fresh_database)
    assert await database.start()
    try:
        assert (await recovery.restored_state(database, RuntimeSettings(), 1, 0)).rows == {"BTCUSDT": 3}
    finally:
        await database.close()
