"""HTTP from the command line: through the proxy that the environment names, loopback never."""

from __future__ import annotations

import httpx

from shared.network.authorities import trusted
from shared.network.proxies import proxy_for


def web_client(url: str, *, timeout: float) -> httpx.AsyncClient:
    """Return a client for *url*; raises `ProxyError` where the environment names a proxy that cannot be used."""
    transport = httpx.AsyncHTTPTransport(proxy=proxy_for(url), verify=trusted())
    return httpx.AsyncClient(transport=transport, timeout=timeout, trust_env=False)
