"""Addresses of Redis: of one server, of sentinels that know which server is the master, and of a cluster's nodes.

``redis+sentinel://[user:password@]host[:port][,host[:port]…]/service[/db][?option=value…]``, and ``rediss+sentinel://``
for TLS to both.  User and password are the servers' own; the sentinels' are the options ``sentinel_username`` and
``sentinel_password``.  The other options are those of an address of one server.

``redis+cluster://[user:password@]host[:port][,host[:port]…][?option=value…]``, and ``rediss+cluster://``: some of the
nodes, which know each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, unquote, urlencode

PLAIN: Final = ("redis", "rediss", "unix")
SENTINEL: Final = {"redis+sentinel": "redis", "rediss+sentinel": "rediss"}  #: scheme -> that of the servers
CLUSTER: Final = {"redis+cluster": "redis", "rediss+cluster": "rediss"}
SENTINEL_PORT: Final = 26_379
NODE_PORT: Final = 6_379


@dataclass(frozen=True)
class RedisAddress:
    """Where a Redis is found."""

    url: str  #: of the server; of one that is found by asking, all but its host and port
    sentinels: tuple[tuple[str, int], ...] = ()  #: whom to ask for the master
    service: str = ""  #: the master's name among the sentinels
    username: str | None = None  #: for those who are asked
    password: str | None = None  #: for those who are asked
    nodes: tuple[tuple[str, int], ...] = ()  #: whom to ask for the master of a slot; neither these: `url` is the server

    @property
    def is_asked_for(self) -> bool:
        """Whether the server has to be found by asking."""
        return bool(self.sentinels or self.nodes)

    @classmethod
    def of(cls, url: str) -> RedisAddress:
        """Return *url* taken apart; raise `ValueError`, without a password in it, where it is no such address."""
        scheme, _, rest = url.partition("://")
        rest, _, query = rest.partition("?")
        authority, _, path = rest.partition("/")
        if scheme in SENTINEL:
            return cls._of_sentinels(SENTINEL[scheme], authority, path, query)
        if scheme in CLUSTER:
            return cls._of_cluster(CLUSTER[scheme], authority, path, query)
        if scheme not in PLAIN:
            schemes = [f"{known}://" for known in (*PLAIN, *SENTINEL, *CLUSTER)]
            raise ValueError(f"an address begins with {' or '.join(schemes)}")
        return cls(url)

    @classmethod
    def _of_sentinels(cls, scheme: str, authority: str, path: str, query: str) -> RedisAddress:
        login, at, hosts = authority.rpartition("@")
        service, _, db = path.partition("/")
        if not service:
            raise ValueError("an address of sentinels ends with the master's name: redis+sentinel://host:port/NAME")
        options = dict(parse_qsl(query))
        username, password = (options.pop(f"sentinel_{name}", None) for name in ("username", "password"))
        server = f"{scheme}://{login}{at}master/{db}{'?' if options else ''}{urlencode(options)}"
        sentinels = tuple(_place(host, SENTINEL_PORT, "a sentinel") for host in hosts.split(","))
        return cls(server, sentinels, unquote(service), username, password)

    @classmethod
    def _of_cluster(cls, scheme: str, authority: str, path: str, query: str) -> RedisAddress:
        login, at, hosts = authority.rpartition("@")
        if path not in ("", "0"):
            raise ValueError("a cluster has one database: an address of its nodes ends after them, or with /0")
        username, _, password = login.partition(":")
        nodes = tuple(_place(host, NODE_PORT, "a node") for host in hosts.split(","))
        return cls(
            f"{scheme}://{login}{at}master/0{'?' if query else ''}{query}",
            username=unquote(username) or None,
            password=unquote(password) or None,
            nodes=nodes,
        )


def _place(text: str, usual_port: int, whose: str) -> tuple[str, int]:
    """Return host and port of *text*, such as ``[::1]:26379``."""
    host, colon, port = text.rpartition(":")
    if not colon or port.endswith("]"):
        host, port = text, str(usual_port)
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isdecimal():
        raise ValueError(f"{text!r} is not host:port of {whose}")
    return host, int(port)
