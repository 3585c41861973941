"""Postgres: the pool that survives its absence, migrations, and the monthly partitions of decisions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
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

from shared import metrics

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
    """One Postgres database, present or not."""

    def __init__(self, url: str, *, timeout: float = 3.0, patience: float = 5.0) -> None:
        self.url = url
        self.ready = False  #: migrated since this process started
        self.reason = "not reached yet"
        self._partitions: set[datetime] = set()
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            make_conninfo(url, connect_timeout=5, application_name="sevengate", **DEAD_PEER),
            connection_class=psycopg.AsyncConnection[DictRow],
            kwargs={"row_factory": dict_row, "options": "-c statement_timeout=20000"},
            min_size=1,
            max_size=6,
            max_waiting=50,
            timeout=timeout,
            reconnect_timeout=patience,
            check=AsyncConnectionPool.check_connection,
            open=False,
        )

    async def start(self) -> bool:
        """Migrate and open the pool; return whether it could be done now."""
        try:
            await asyncio.to_thread(migrate, self.url)
            await self._pool.open(wait=False)
        except (psycopg.OperationalError, OSError) as error:
            self.reason = first_line(error)
            return False
        self.ready, self.reason = True, ""
        return True

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
                # The pool has given up connecting, and a request that it turns away does not make it try again.
                await self._pool.check()
            self.reason = first_line(error)
            metrics.DATABASE_UP.set(0)
            raise DatabaseAwayError(self.reason) from error

    async def rows(self, query: str, parameters: Sequence[Any] | dict[str, Any] = ()) -> list[Row]:
        """Return what *query*, a constant of this service, answers."""
        async with self.connection() as connection:
            cursor = await connection.execute(query.encode(), parameters)
            return await cursor.fetchall()

    async def execute(self, query: str, parameters: Sequence[Any] | dict[str, Any] = ()) -> int:
        """Run *query*, a constant of this service; return how many rows it touched."""
        async with self.connection() as connection:
            return (await connection.execute(query.encode(), parameters)).rowcount

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

    async def drop_before(self, oldest: int) -> list[str]:
        """Drop the partitions that end before *oldest*, and delete older scans, alerts and deliveries."""
        limit = month_of(oldest)
        async with self.connection() as connection:
            cursor = await connection.execute(
                "SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'decisions'::regclass"
            )
            old = sorted(row["name"] for row in await cursor.fetchall() if row["name"] < PARTITION.format(limit))
            for name in old:
                await connection.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(name)))
            await connection.execute("DELETE FROM scans WHERE scan_id < %s", [oldest])
            await connection.execute(
                "DELETE FROM deliveries USING alerts WHERE alerts.alert_id = deliveries.alert_id AND occurred_at < %s",
                [oldest],
            )
            await connection.execute("DELETE FROM alerts WHERE occurred_at < %s", [oldest])
        self._partitions = {month for month in self._partitions if month >= limit}
        return old


def migrate(url: str) -> None:
    """Bring the database's tables up to date; one process at a time, whoever died in the middle before."""
    with psycopg.connect(url, connect_timeout=5, autocommit=True) as guard:
        guard.execute("SELECT pg_advisory_lock(%s)", [MIGRATION_LOCK])
        backend = get_backend(url.replace("postgresql://", "postgresql+psycopg://", 1))
        try:
            backend.break_lock()  # left by a process that was killed: the advisory lock is ours
            with backend.lock():
                backend.apply_migrations(backend.to_apply(read_migrations(str(MIGRATIONS))))
        finally:
            backend.connection.close()


def first_line(error: BaseException) -> str:
    """Return what *error* says in one line, without addresses or passwords of a connection string."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]
