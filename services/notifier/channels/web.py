"""HTTP for webhooks of people: a checked, pinned address, no redirects, typed outcomes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any, Final

import httpx

from services.notifier.channels.outcome import Ambiguous, Later, NotDelivered, Parked, Rejected
from services.notifier.ledger import now_ms
from shared.addresses import Forbidden, Target, resolve

NOT_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
LATER: Final = frozenset({408, 409, 423, 425, 429})
LONGEST_ANSWER: Final = 4_096  #: bytes read of an answer


async def post(
    url: str, allow: Sequence[str], *, limit: float, headers: Mapping[str, str] | None = None, **body: Any
) -> httpx.Response:
    """Post to *url* at the address that was checked; return a 2xx answer, raise a typed outcome otherwise."""
    return judge(await ask(url, allow, limit=limit, headers=headers, **body))


async def ask(
    url: str, allow: Sequence[str], *, limit: float, headers: Mapping[str, str] | None = None, **body: Any
) -> httpx.Response:
    """Post to *url* at the address that was checked; return whatever is answered."""
    try:
        target = await resolve(url, allow)
    except Forbidden as error:
        raise Rejected("forbidden address", str(error)) from error
    except OSError as error:
        raise Later("name not resolved", str(error)) from error
    return await _send(target, limit, headers or {}, body)


async def _send(target: Target, limit: float, headers: Mapping[str, str], body: Mapping[str, Any]) -> httpx.Response:
    timeouts = httpx.Timeout(limit, connect=min(5.0, limit))
    try:
        client = _client(asyncio.get_running_loop())
        client.cookies.clear()  # the next request may be to another name at the same address
        request = client.build_request(
            "POST",
            target.url,
            headers={**headers, "Host": target.host_header},
            extensions={"timeout": timeouts.as_dict(), "sni_hostname": target.host},
            **body,
        )
        return await _read(await client.send(request, stream=True))
    except NOT_SENT as error:
        raise Later("no connection", type(error).__name__) from error
    except httpx.TimeoutException as error:
        raise Ambiguous("no answer in time", type(error).__name__) from error
    except httpx.HTTPError as error:
        raise Ambiguous("connection broke", type(error).__name__) from error


@lru_cache(maxsize=1)
def _client(loop: asyncio.AbstractEventLoop) -> httpx.AsyncClient:
    """Return the loop's client: the trusted authorities are loaded once, which takes longer than a request.

    No connection is kept: one that the other side has just closed would make an outcome ambiguous.
    """
    limits = httpx.Limits(max_keepalive_connections=0)
    return httpx.AsyncClient(follow_redirects=False, trust_env=False, limits=limits)


async def _read(response: httpx.Response) -> httpx.Response:
    """Read the beginning of the answer; the status alone decides, so a broken body is no failure."""
    content = b""
    try:
        async for chunk in response.aiter_bytes():
            content += chunk
            if len(content) >= LONGEST_ANSWER:
                break
    except httpx.HTTPError:
        pass
    finally:
        await response.aclose()
    kept = [item for item in response.headers.items() if item[0] not in ("content-encoding", "content-length")]
    return httpx.Response(response.status_code, headers=kept, content=content[:LONGEST_ANSWER])


def judge(response: httpx.Response) -> httpx.Response:
    """Return a 2xx answer; raise what any other means."""
    if response.is_success:
        return response
    raise refusal(response.status_code, response.text[:200], seconds_of(response.headers.get("retry-after", "")))


def refusal(status: int, detail: str, after: float | None) -> NotDelivered:
    """Return what an HTTP status other than 2xx means."""
    reason = f"http {status}"
    if status >= 500 or status in LATER:
        return Later(reason, detail, after=after)
    if status in (403, 404, 410):
        return Parked(reason, detail)
    if 300 <= status < 400:
        return Rejected("redirected", "redirects are not followed")
    return Rejected(reason, detail)


def seconds_of(value: str) -> float | None:
    """Return the seconds of a ``Retry-After``, given as seconds or as a date; None without one."""
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now_ms() / 1_000)
    except (ValueError, TypeError):
        return None
