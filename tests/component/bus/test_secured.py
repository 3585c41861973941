"""A bus on another host: TLS, and a user who may touch what is Sevengate's alone."""

from __future__ import annotations

import pytest
import redis
from rq import SimpleWorker
from rq.serializers import JSONSerializer

from services.notifier.delivery import queues
from shared.config.environment import Environment
from shared.runtime.watched_queue import connect
from tests.conftest import SecuredRedis


def test_a_job_is_done(secured_redis: SecuredRedis) -> None:
    """rq queues and works as that user."""
    connection = connect(Environment(redis_url=secured_redis.url))
    queue = queues.Outbox(connection, "binance-um").queue("phone")
    job = queue.enqueue(len, [1, 2, 3])
    SimpleWorker([queue], connection=connection, serializer=JSONSerializer).work(burst=True, logging_level="ERROR")
    assert job.return_value(refresh=True) == 3


def test_other_keys_and_commands_are_refused(secured_redis: SecuredRedis) -> None:
    """Neither what others keep there nor what ends the server."""
    with redis.Redis.from_url(secured_redis.url) as client:
        for refused in (
            ["GET", "others"],
            ["FLUSHALL"],
            ["SHUTDOWN"],
            ["CONFIG", "SET", "maxmemory", "1"],
            ["KEYS", "*"],
        ):
            with pytest.raises(redis.exceptions.NoPermissionError):
                client.execute_command(*refused)


def test_without_the_authority_nothing_is_said(secured_redis: SecuredRedis) -> None:
    """A server whose certificate is of an unknown authority gets no password."""
    with (
        redis.Redis.from_url(secured_redis.url.partition("?")[0]) as client,
        pytest.raises(redis.exceptions.ConnectionError, match=r"(?i)certificate"),
    ):
        client.ping()
