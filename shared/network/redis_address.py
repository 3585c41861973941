"""Addresses of Redis: those of one server, and those of sentinels that know which server is the master.

``redis+sentinel://[user:password@]host[:port][,host[:port]…]/service[/db][?option=value…]``, and ``rediss+sentinel://``
for TLS to both.  User and password are the servers' own; the sentinels' are the options ``sentinel_username`` and
``sentinel_password``.  The other options are those of an address of one server.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, unquote, urlencode

PLAIN: Final = ("redis", "rediss", "unix")
SENTINEL: Final = {"redis+sentinel": "redis", "rediss+sentinel": "rediss"}  #: scheme -> that of the servers
SENTINEL_PORT: Final = 26_379


@dataclass(frozen=True)
class RedisAddress:
    """Where a Redis is found."""

    url: str  #: of the server; of one that is found by sentinels, all but its host and port
    sentinels: tuple[tuple[str, int], ...] = ()  #: none: `url` is the server
    service: str = ""  #: the master's name among the sentinels
    username: str | None = None  #: for the sentinels
    password: str | None = None  #: for the sentinels

    @classmethod
    def of(cls, url: str) -> RedisAddress:
        """Return *url* taken apart; raise `ValueError`, without a password in it, where it is no such address."""
        scheme, _, rest = url.partition("://")
        if scheme not in SENTINEL:
            if scheme not in PLAIN:
                schemes = [f"{known}://" for known in (*PLAIN, *SENTINEL)]
                raise ValueError(f"an address begins with {' or '.join(schemes)}")
            return cls(url)
        rest, _, query = rest.partition("?")
        authority, _, path = rest.partition("/")
        login, at, hosts = authority.rpartition("@")
        service, _, db = path.partition("/")
        if not service:
            raise ValueError("an address of sentinels ends with the master's name: redis+sentinel://host:port/NAME")
        options = dict(parse_qsl(query))
        username, password = (options.pop(f"sentinel_{name}", None) for name in ("username", "password"))
        server = f"{SENTINEL[scheme]}://{login}{at}master/{db}{'?' if options else ''}{urlencode(options)}"
        return cls(server, tuple(map(_place, hosts.split(","))), unquote(service), username, password)


def _place(text: str) -> tuple[str, int]:
    """Return host and port of *text*, such as ``[::1]:26379``."""
    host, colon, port = text.rpartition(":")
    if not colon or port.endswith("]"):
        host, port = text, str(SENTINEL_PORT)
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isdecimal():
        raise ValueError(f"{text!r} is not host:port of a sentinel")
    return host, int(port)
