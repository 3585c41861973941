"""Checks of a Redis and a Postgres that the user runs, made with the services' own queries."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

import psycopg
import redis

from services.terminal.local.stores import StoreError
from shared.bus.connection import blocking_client
from shared.config.environment import MARKET, Environment
from shared.network.redis_address import RedisAddress

OLDEST_REDIS: Final = (6, 2)
OLDEST_POSTGRES: Final = 130_000  #: as `server_version` gives it: 13.0
PATIENCE_SECONDS: Final = 5.0


def require(redis_url: str, database_url: str, environment: Environment) -> None:
    """Raise `StoreError` where a named store cannot be used; an empty address is not checked."""
    if redis_url:
        check_redis(redis_url, market=environment.market)
    if environment.jobs_redis_url:
        check_redis(environment.jobs_redis_url, "SEVENGATE_JOBS_REDIS_URL")
    check_markets(environment)
    if database_url:
        check_database(database_url)


def check_redis(url: str, variable: str = "SEVENGATE_REDIS_URL", *, market: str = MARKET) -> str:
    """Return which server answers at *url*; raise `StoreError` where it does not, or may lose messages.

    In a cluster that is the master of the keys of *market*.
    """
    where = place(url)
    try:
        with blocking_client(url, f"{{{market}}}:", socket_timeout=PATIENCE_SECONDS) as client:
            server = client.info("server")
            memory = client.info("memory")
            cluster = client.info("cluster")
            replication = client.info("replication")
    except (redis.RedisError, OSError, ValueError) as error:
        raise StoreError(f"Redis at {where} ({variable}) cannot be used: {error}") from error
    if replication.get("role") == "slave":
        raise StoreError(
            f"Redis at {where} ({variable}) is a replica and takes no messages: name the master, or its sentinels"
            " (docs/growing.md)"
        )
    policy = str(memory.get("maxmemory_policy", "noeviction"))
    if policy != "noeviction":
        raise StoreError(
            f"Redis at {where} may evict messages that were not read (maxmemory-policy is {policy}):"
            " set `maxmemory-policy noeviction`"
        )
    if int(cluster.get("cluster_enabled", 0)) and not RedisAddress.of(url).nodes:
        raise StoreError(
            f"Redis at {where} ({variable}) is in cluster mode: set `cluster-enabled no`, or name another server;"
            " a bus may be in a cluster, as redis+cluster://… (docs/growing.md)"
        )
    version = str(server.get("valkey_version") or server.get("redis_version"))
    if tuple(int(part) for part in str(server.get("redis_version", "0.0")).split(".")[:2]) < OLDEST_REDIS:
        raise StoreError(f"Redis at {where} is version {version}; 6.2 or newer is needed")
    return f"{where}, version {version}"


def check_markets(environment: Environment) -> list[str]:
    """Return which servers answer for the other markets of the API that have a bus of their own, as `check_redis`."""
    others = [environment.of_market(market) for market in environment.served_markets[1:]]
    return [
        f"{other.market}: {check_redis(other.redis_url, 'SEVENGATE_API_REDIS_URLS', market=other.market)}"
        for other in others
        if other.redis_url != environment.redis_url
    ]


def check_database(url: str) -> str:
    """Return which server answers at *url*; raise `StoreError` where it does not, or tables cannot be made there."""
    where = place(url)
    try:
        with psycopg.connect(url, connect_timeout=int(PATIENCE_SECONDS)) as connection:
            version = connection.info.server_version
            row = connection.execute(
                "SELECT current_user, current_schema(), has_schema_privilege(current_schema(), 'CREATE'),"
                " pg_is_in_recovery()"
            ).fetchone()
    except psycopg.Error as error:
        reason = " ".join(str(error).split())
        raise StoreError(f"Postgres at {where} (SEVENGATE_DATABASE_URL) cannot be used: {reason}") from error
    user, schema, may_create, read_only = row if row is not None else ("", None, False, False)
    if read_only:
        raise StoreError(f"Postgres at {where} is a standby and takes no changes: name the primary server")
    if schema is None or not may_create:
        raise StoreError(
            f"Postgres at {where}: the user {user} may not create tables in {schema or 'any schema'};"
            f" run `GRANT CREATE ON SCHEMA {schema or 'public'} TO {user}`"
        )
    if version < OLDEST_POSTGRES:
        raise StoreError(f"Postgres at {where} is version {version // 10_000}; 13 or newer is needed")
    return f"{where}, version {version // 10_000}.{version % 10_000}"


def instance_of(url: str) -> str:
    """Return the id of the database at *url*; empty where it has none; raise `StoreError`."""
    try:
        with psycopg.connect(url, connect_timeout=int(PATIENCE_SECONDS)) as connection:
            if connection.execute("SELECT to_regclass('public.identity')").fetchone() in (None, (None,)):
                return ""
            row = connection.execute("SELECT instance FROM identity").fetchone()
            return str(row[0]) if row else ""
    except psycopg.Error as error:
        raise StoreError(f"Postgres at {place(url)} cannot be read: {' '.join(str(error).split())}") from error


def place(url: str) -> str:
    """Return host and port of *url*, without its password."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "that address"
    return parts.netloc.rpartition("@")[2] or parts.path
