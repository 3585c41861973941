"""Postgres: the pool that survives its absence, migrations, and the monthly partitions of decisions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import psycopg
import structlog
from psycopg import sql
from psycopg.conninfo import make_conninfo
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout, TooManyRequests
from yoyo import get_backend, read_migrations

from services.api.store import ownership
from shared import metrics
from shared.config.environment import MARKET

MIGRATIONS: Final = Path(__file__).with_name("migrations")
MIGRATION_LOCK: Final = 7_101_971  #: any fixed number: one migrating process at a time
UNAVAILABLE: Final = (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout, TooManyRequests)
#: A host that vanished without a word is noticed within 20 s; TCP alone would wait a quarter of an hour.
DEAD_PEER: Final = {
    "tcp_user_timeout": 20_000,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 2,
}
#: What every query over rows of a market asks besides; what is inserted gets the market by default.
MINE: Final = "market = current_setting('sevengate.market')"
PARTITION: Final = "decisions_{:%Y_%m}"

Row = dict[str, Any]
Connection = psycopg.AsyncConnection[DictRow]
log = structlog.get_logger()


class DatabaseAwayError(Exception):
    """The database does not answer at this moment."""


def month_of(at: int) -> datetime:
    """Return the first instant of the month of *at* (UNIX ms); raise `ValueError` beyond the calendar."""
    try:
        moment = datetime.fromtimestamp(at / 1_000, UTC)
    except (OverflowError, OSError) as error:
        raise ValueError(f"not a time: {at}") from error
    return moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def next_month(month: datetime) -> datetime:
    return month.replace(year=month.year + month.month // 12, month=month.month % 12 + 1)


def to_ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000)


class Database:
    """One Postgres database, present or not, and the rows of one market in it."""

    def __init__(
        self,
        url: str,
        market: str = MARKET,
        *,
        source: str = "real",
        folder: Path | None = None,
        archive: Path | None = None,
        timeout: float = 3.0,
        patience: float = 5.0,
    ) -> None:
        self.url = url
        self.market = market
        self.archive = archive  #: the folder of the months that are no longer in Postgres
        self.archive_problem = ""  #: why the last month could not be archived
        self.folder = folder  #: the data folder, which knows the database's id; None: any will do
        self.source = source  #: real or simulated: the two never mix in one database
        self.ready = False  #: migrated since this process started
        self.reason = "not reached yet"
        self._partitions: set[datetime] = set()
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            make_conninfo(url, connect_timeout=5, application_name="sevengate", **DEAD_PEER),
            connection_class=psycopg.AsyncConnection[DictRow],
            kwargs={"row_factory": dict_row, "options": f"-c statement_timeout=20000 -c sevengate.market={market}"},
            min_size=1,
            max_size=6,
            max_waiting=50,
            timeout=timeout,
            reconnect_timeout=patience,
            check=AsyncConnectionPool.check_connection,
            open=False,
        )

    async def start(self) -> bool:
        """Migrate and open the pool; return whether it could be done now.

        Raises `UnusableDatabaseError` where the database is not this installation's, or holds another source's records.
        """
        try:
            await asyncio.to_thread(self._take)
            await self.open()
        except (psycopg.OperationalError, OSError) as error:
            self.reason = first_line(error)
            return False
        return True

    async def open(self) -> None:
        """Open the pool on tables that are up to date."""
        await self._pool.open(wait=False)
        self.ready, self.reason = True, ""

    def _take(self) -> None:
        with psycopg.connect(self.url, connect_timeout=5) as connection:
            ownership.examine(connection, self.folder, known_migrations())
        migrate(self.url)
        with psycopg.connect(self.url, connect_timeout=5) as connection:
            ownership.claim(connection, self.source, self.folder)

    async def close(self) -> None:
        await self._pool.close(timeout=3.0)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Give a connection and commit at the end; raise `DatabaseAwayError` where there is none."""
        if not self.ready:
            raise DatabaseAwayError(self.reason)
        try:
            async with self._pool.connection() as connection:
                yield connection
            self.reason = ""
            metrics.DATABASE_UP.set(1)
        except UNAVAILABLE as error:
            if isinstance(error, TooManyRequests):
                # The pool has stopped connecting, and a request that it refuses does not make it try again.
                await self._pool.check()
            self.reason = first_line(error)
            metrics.DATABASE_UP.set(0)
            raise DatabaseAwayError(self.reason) from error

    async def rows(
        self, query: str, parameters: Sequence[Any] | dict[str, Any] = (), *, in_order: bool = False
    ) -> list[Row]:
        """Return the rows of *query*, a constant of this service; *in_order*: along an index."""
        async with self.connection() as connection:
            if in_order:
                await connection.execute("SET LOCAL enable_bitmapscan = off")
            cursor = await connection.execute(query.encode(), parameters)
            return await cursor.fetchall()

    async def execute(self, query: str, parameters: Sequence[Any] | dict[str, Any] = ()) -> int:
        """Run *query*, a constant of this service; return how many rows it touched."""
        async with self.connection() as connection:
            return (await connection.execute(query.encode(), parameters)).rowcount

    async def newest_scan(self) -> int | None:
        """Return this market's newest scan, None before the first."""
        found: int | None = (await self.rows(f"SELECT max(scan_id) AS newest FROM scans WHERE {MINE}"))[0]["newest"]
        return found

    async def ensure_partitions(self, connection: Connection, scans: Iterable[int]) -> None:
        """Create the partitions of the months of *scans* where they do not exist."""
        for month in sorted({month_of(scan) for scan in scans} - self._partitions):
            await connection.execute(
                sql.SQL("CREATE TABLE IF NOT EXISTS {} PARTITION OF decisions FOR VALUES FROM ({}) TO ({})").format(
                    sql.Identifier(PARTITION.format(month)),
                    sql.Literal(to_ms(month)),
                    sql.Literal(to_ms(next_month(month))),
                )
            )

    def partitions_exist(self, scans: Iterable[int]) -> None:
        """Remember that the partitions of *scans* were committed."""
        self._partitions |= {month_of(scan) for scan in scans}

    async def drop_before(self, oldest: int, *, scans: int, decisions: bool) -> list[str]:
        """Delete this market's older alerts and deliveries, scans before *scans*, and partitions that end before.

        Markets share the partition of a month: it goes with the last of them.  Without *decisions* this market's stay,
        for the archive, and only partitions that have no rows are dropped.
        """
        limit = month_of(oldest)
        async with self.connection() as connection:
            cursor = await connection.execute(
                "SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'decisions'::regclass"
            )
            old = sorted(row["name"] for row in await cursor.fetchall() if row["name"] < PARTITION.format(limit))
            if decisions:
                for name in old:
                    await connection.execute(
                        sql.SQL("DELETE FROM {} WHERE {}").format(sql.Identifier(name), sql.SQL(MINE))
                    )
            old = [name for name in old if await _is_empty(connection, name)]
            for name in old:
                await connection.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(name)))
            await connection.execute(f"DELETE FROM scans WHERE {MINE} AND scan_id < %s", [scans])
            await connection.execute(
                "DELETE FROM deliveries USING alerts WHERE alerts.alert_id = deliveries.alert_id "
                f"AND alerts.market = deliveries.market AND alerts.{MINE} AND occurred_at < %s",
                [oldest],
            )
            await connection.execute(f"DELETE FROM alerts WHERE {MINE} AND occurred_at < %s", [oldest])
        self.partitions_end(limit)
        return old

    def partitions_end(self, limit: datetime) -> None:
        """Forget the partitions before *limit*: they may have been dropped."""
        self._partitions = {month for month in self._partitions if month >= limit}


async def _is_empty(connection: Connection, partition: str) -> bool:
    """Return whether *partition* has no rows of any market."""
    cursor = await connection.execute(sql.SQL("SELECT 1 FROM {} LIMIT 1").format(sql.Identifier(partition)))
    return await cursor.fetchone() is None


def known_migrations() -> tuple[str, ...]:
    """Return the ids of the migrations that this version has, in their order."""
    return tuple(migration.id for migration in read_migrations(str(MIGRATIONS)))


def migrate(url: str, only: Collection[str] | None = None) -> None:
    """Bring the database's tables up to date, or as far as *only*; one process at a time, also after a crash."""
    with psycopg.connect(url, connect_timeout=5, autocommit=True) as guard:
        guard.execute("SELECT pg_advisory_lock(%s)", [MIGRATION_LOCK])
        backend = get_backend(url.replace("postgresql://", "postgresql+psycopg://", 1))
        try:
            backend.break_lock()  # left by a process that was killed: the advisory lock is ours
            wanted = read_migrations(str(MIGRATIONS))
            if only is not None:
                wanted = wanted.filter(lambda migration: migration.id in only)
            with backend.lock():
                backend.apply_migrations(backend.to_apply(wanted))
        finally:
            backend.connection.close()


def first_line(error: BaseException) -> str:
    """Return *error* in one line, without addresses or passwords of a connection string."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]
