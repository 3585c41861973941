"""Which addresses a webhook may call: public ones, and those of an allowed network.

The checked address is the one that is called, so a name cannot change in between.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
#: not public, also where Python's tables differ: protocol assignments with a cloud's metadata, another's, site-local
CLOSED = tuple(ipaddress.ip_network(network) for network in ("192.0.0.0/24", "168.63.129.16/32", "fec0::/10"))


class Forbidden(Exception):  # noqa: N818 - a finding, shown to users by its name
    """This address may not be called."""


@dataclass(frozen=True)
class Target:
    """The checked address of a request."""

    url: str  #: with the checked address in place of the name
    host: str  #: for TLS
    host_header: str


def embedded(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 address embeds."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return address.ipv4_mapped
        if address.sixtofour:
            return address.sixtofour
        if address in NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def permitted(address: Address, allow: Sequence[str]) -> bool:
    """Return whether *address* is public or in a network of *allow*."""
    address = embedded(address)
    if any(address in ipaddress.ip_network(network, strict=False) for network in allow):
        return True
    if any(address in network for network in CLOSED):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def literal(host: str) -> Address | None:
    """Return the address that *host* spells, in decimal, octal, hexadecimal, shortened or full-width forms too."""
    host = unicodedata.normalize("NFKC", host).replace("\N{IDEOGRAPHIC FULL STOP}", ".").rstrip(".").lower()
    if host == "localhost" or host.endswith(".localhost"):
        return ipaddress.IPv4Address("127.0.0.1")  # without asking a name server: RFC 6761
    try:
        return ipaddress.ip_address(host.split("%", maxsplit=1)[0])
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except (OSError, UnicodeError):
        return None


def check(url: str, allow: Sequence[str] = ()) -> None:
    """Refuse what needs no name server to refuse; raise `Forbidden`."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        raise Forbidden(f"{parts.scheme or 'no scheme'}: only http and https")
    if not parts.hostname:
        raise Forbidden("no host in the address")
    if parts.username is not None or parts.password is not None:
        raise Forbidden("a user name in the address")
    try:
        parts.port  # noqa: B018 - raises for a bad port
    except ValueError as error:
        raise Forbidden(str(error)) from error
    address = literal(parts.hostname)
    if address is not None and not permitted(address, allow):
        raise Forbidden(f"{address} is not public and not allowed")


async def resolve(url: str, allow: Sequence[str] = ()) -> Target:
    """Return the pinned target of *url*, the first where its name has several addresses; raise as `resolve_all`."""
    return (await resolve_all(url, allow))[0]


async def resolve_all(url: str, allow: Sequence[str] = ()) -> list[Target]:
    """Return a pinned target of *url* for each address that its name has.

    Raises `Forbidden`, or `OSError` where the name is not known.
    """
    check(url, allow)
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return [
        Target(
            urlunsplit((parts.scheme, f"{_in_url(address)}:{port}", parts.path or "/", parts.query, "")),
            host,
            parts.netloc.rpartition("@")[2],
        )
        for address in await lookup(host, port, allow)
    ]


async def lookup(host: str, port: int, allow: Sequence[str] = ()) -> list[Address]:
    """Return the addresses of *host*, each once; raise `Forbidden`, or `OSError` where the name is not known.

    A name with one forbidden address is refused as a whole.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = dict.fromkeys(ipaddress.ip_address(str(item[4][0]).split("%")[0]) for item in found)
    for address in addresses:
        if not permitted(address, allow):
            raise Forbidden(f"{host} leads to {address}, which is not public and not allowed")
    return list(addresses)


def _in_url(address: Address) -> str:
    return f"[{address}]" if address.version == 6 else str(address)
