"""The embedded stores answer where they say."""

from __future__ import annotations

import psycopg
import redis


def test_valkey_is_empty_and_has_what_the_bus_needs(fresh_valkey: str) -> None:
    """The embedded Valkey is version 9 and starts empty."""
    with redis.Redis.from_url(fresh_valkey) as client:
        assert client.dbsize() == 0
        assert int(client.info("server")["valkey_version"].split(".")[0]) == 9


def test_each_database_is_new(fresh_database: str) -> None:
    """A fresh database has no table, whoever the test runs as."""
    with psycopg.connect(fresh_database) as connection:
        row = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
    assert row == (0,)


def test_the_system_redis_answers(redis7_url: str) -> None:
    """The same tests can run against the system's Redis."""
    with redis.Redis.from_url(redis7_url) as client:
        assert client.ping()
