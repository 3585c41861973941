"""Addresses of Redis: what is taken from them, and which are refused."""

from __future__ import annotations

import pytest

from shared.network.redis_address import RedisAddress


def test_a_servers_address_stays_as_it_is() -> None:
    """redis-py reads it."""
    url = "rediss://sevengate:secret@redis.lan:6379/0?ssl_ca_certs=/etc/ca.pem"
    assert RedisAddress.of(url) == RedisAddress(url)


def test_sentinels_are_taken_apart() -> None:
    """The server's login, database and options are one address; the sentinels and their login stand beside it."""
    address = RedisAddress.of(
        "rediss+sentinel://sevengate:p%40ss@one,two:26380,[::1]:5/my%20bus/2"
        "?ssl_ca_certs=/etc/ca.pem&sentinel_username=watcher&sentinel_password=other"
    )
    assert address == RedisAddress(
        "rediss://sevengate:p%40ss@master/2?ssl_ca_certs=%2Fetc%2Fca.pem",
        (("one", 26_379), ("two", 26_380), ("::1", 5)),
        "my bus",
        "watcher",
        "other",
    )


def test_a_cluster_s_nodes_are_taken_apart() -> None:
    """The nodes take the login that the servers take: they are the servers."""
    address = RedisAddress.of("rediss+cluster://sevengate:p%40ss@one,two:7002,[::1]:5/0?ssl_ca_certs=/etc/ca.pem")
    assert address == RedisAddress(
        "rediss://sevengate:p%40ss@master/0?ssl_ca_certs=/etc/ca.pem",
        username="sevengate",
        password="p@ss",
        nodes=(("one", 6_379), ("two", 7_002), ("::1", 5)),
    )
    assert RedisAddress.of("redis+cluster://one") == RedisAddress("redis://master/0", nodes=(("one", 6_379),))


@pytest.mark.parametrize(
    "url",
    [
        "localhost:6379",
        "http://:secret@one",
        "redis+sentinel://:secret@one",
        "redis+sentinel://:secret@one:x/bus",
        "redis+sentinel://:secret@one,/bus",
        "redis+cluster://:secret@one:x",
        "redis+cluster://:secret@",
        "redis+cluster://:secret@one/1",
    ],
)
def test_others_are_refused_without_their_password(url: str) -> None:
    """The text says what is wrong; it may be logged."""
    with pytest.raises(ValueError, match=r".") as refused:
        RedisAddress.of(url)
    assert "secret" not in str(refused.value)
