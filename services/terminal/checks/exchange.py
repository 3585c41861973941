"""Whether the exchange can be used from here."""

from __future__ import annotations

import time
from typing import Final

import httpx

from services.terminal.checks.web import web_client
from shared.network.proxies import ProxyError

HOW_TO_GO_ON: Final = """What you can do:
  make demo                    the same with a simulated exchange; nothing leaves this machine
  HTTPS_PROXY                  where this machine reaches the internet through a proxy
  SEVENGATE_BINANCE_REST_URL and SEVENGATE_BINANCE_WS_URL   where a mirror of yours answers
  ./sevengate up --anyway      start all the same; the fetcher keeps trying"""


async def unreachable(url: str) -> str:
    """Return why the exchange at *url* cannot be used; empty when it can."""
    try:
        async with web_client(url, timeout=10.0) as client:
            answer = await client.get(f"{url.rstrip('/')}/fapi/v1/ping")
    except ProxyError as error:
        return str(error)
    except httpx.ProxyError as error:
        return f"Binance cannot be reached at {url}: the proxy refuses ({error})."
    except httpx.HTTPError as error:
        return f"Binance cannot be reached at {url} ({type(error).__name__}): is this machine offline?"
    return _refusal(answer.status_code, url)


def _refusal(status: int, url: str) -> str:
    """Return what the exchange's *status* means; empty when it serves."""
    if status == httpx.codes.UNAVAILABLE_FOR_LEGAL_REASONS:
        return f"Binance does not serve this region (HTTP 451 from {url})."
    if status in (httpx.codes.FORBIDDEN, 418, httpx.codes.TOO_MANY_REQUESTS):
        return f"Binance refuses this address for now (HTTP {status} from {url})."
    if status >= httpx.codes.BAD_REQUEST:
        return f"Binance answers HTTP {status} at {url}."
    return ""


async def clock_offset(url: str) -> float:
    """Return by how many seconds the exchange's clock is ahead of this machine's."""
    async with web_client(url, timeout=10.0) as client:
        before = time.time()
        answer = await client.get(f"{url.rstrip('/')}/fapi/v1/time")
        after = time.time()
    return int(answer.raise_for_status().json()["serverTime"]) / 1_000 - (before + after) / 2
