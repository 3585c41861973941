"""Which proxy a request goes through: one rule for REST, WebSocket, Telegram, webhooks and the command line.

The usual variables decide: HTTPS_PROXY for https and wss, HTTP_PROXY for http and ws, ALL_PROXY where those are not
set, and NO_PROXY for what goes directly; in lower case they come first, as with curl.  Loopback never goes through one.

    aiohttp:  session.get(url, proxy=proxy_for(url)); session.ws_connect(url, proxy=proxy_for(url))
    httpx:    AsyncClient(transport=AsyncHTTPTransport(proxy=proxy_for(url)))  # reads no variables itself
    others:   `past_loopback()` once at the start, then their own reading of the variables
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping, MutableMapping
from typing import Final
from urllib.parse import urlsplit

LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
SECURE: Final = frozenset({"https", "wss"})
PORTS: Final = {"http": 80, "ws": 80, "https": 443, "wss": 443}


class ProxyError(ValueError):
    """A proxy that cannot be used; the text names the variable and what to do."""


def proxy_for(url: str, variables: Mapping[str, str] = os.environ) -> str | None:
    """Return the address of the proxy for *url*, None where it is asked directly.

    Raises `ProxyError` where the variables name a proxy that is neither HTTP nor HTTPS.
    """
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    if is_loopback(host) or _is_excluded(host, parts.port or PORTS.get(parts.scheme, 0), _read("no_proxy", variables)):
        return None
    for name in ("https_proxy" if parts.scheme in SECURE else "http_proxy", "all_proxy"):
        if address := _read(name, variables):
            return _checked(name.upper(), address)
    return None


def is_loopback(host: str) -> bool:
    """Whether *host* means this machine itself."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def past_loopback(variables: MutableMapping[str, str] = os.environ) -> None:
    """Add the loopback addresses to NO_PROXY, for libraries and child processes that read the variables themselves."""
    excluded = [part for part in _read("no_proxy", variables).split(",") if part.strip()]
    excluded += [host for host in LOOPBACK if host not in excluded]
    variables["no_proxy"] = variables["NO_PROXY"] = ",".join(excluded)


def _read(name: str, variables: Mapping[str, str]) -> str:
    return (variables.get(name) or variables.get(name.upper()) or "").strip()


def _checked(name: str, address: str) -> str:
    """Return *address* with its scheme; the error never shows the address, which may hold a password."""
    whole = address if "://" in address else f"http://{address}"
    try:
        parts = urlsplit(whole)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable, parts = False, urlsplit("")
    if not usable:
        what = "SOCKS proxies are not supported" if parts.scheme.startswith("socks") else "it is not an address"
        raise ProxyError(f"{name}: {what}; set it to an HTTP proxy such as http://host:3128, or unset it")
    return whole


def _is_excluded(host: str, port: int, excluded: str) -> bool:
    """Whether NO_PROXY names *host*: itself, a domain above it, its network, one of its ports, or all hosts (``*``)."""
    return any(_names(entry.strip().lower(), host, port) for entry in excluded.split(",") if entry.strip())


def _names(entry: str, host: str, port: int) -> bool:
    name, colon, wanted = entry.rpartition(":")
    if colon and wanted.isdecimal() and ":" not in name.strip("[]"):
        return int(wanted) == port and _names(name, host, port)
    return entry == "*" or _matches(host, entry.strip("[]").removeprefix("*").lstrip("."))


def _matches(host: str, entry: str) -> bool:
    if host == entry or host.endswith(f".{entry}"):
        return bool(entry)
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return False
