"""HTTP to user-given addresses: checked and pinned, no redirects, typed outcomes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any, Final

import httpx

from shared.network.addresses import Forbidden, Target, resolve_all
from shared.network.authorities import trusted
from shared.network.proxies import proxy_for
from shared.sending import departure
from shared.sending.results import Ambiguous, Later, NotDelivered, Rejected, Suspended, http_reason

NOT_CONNECTED: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError)
LATER: Final = frozenset({408, 409, 423, 425, 429})
FOR_GOOD: Final = frozenset({403, 404, 410})
LONGEST_ANSWER: Final = 4_096  #: bytes read of an answer
LONGEST_CONNECT_S: Final = 5.0  #: to one of a name's addresses


async def post(
    url: str, allow: Sequence[str], *, limit: float, headers: Mapping[str, str] | None = None, **body: Any
) -> httpx.Response:
    """Post to *url* at the address that was checked; return a 2xx answer, raise a typed outcome otherwise."""
    return judge(await ask(url, allow, limit=limit, headers=headers, **body))


async def ask(
    url: str, allow: Sequence[str], *, limit: float, headers: Mapping[str, str] | None = None, **body: Any
) -> httpx.Response:
    """Post to *url*, at the first of its checked addresses that can be reached; return any answer.

    A proxy of the environment is used as `shared.network.proxies` says; it is asked for the address that was checked.

    *limit* seconds are spent on connecting to all of them at most, and as many again on the answer.
    """
    proxy = proxy_for(url)
    try:
        targets = await resolve_all(url, allow)
    except Forbidden as error:
        raise Rejected("forbidden address", str(error)) from error
    except OSError as error:
        raise Later("name not resolved", type(error).__name__) from error
    deadline = time.monotonic() + limit
    for target in targets:
        try:
            return await _Request(target, limit, headers or {}, body, proxy).send(deadline - time.monotonic())
        except NOT_CONNECTED as error:
            failed = type(error).__name__
        if time.monotonic() >= deadline:
            break
    raise Later("no connection", failed)


class _Request:
    """One request to one address; it knows whether any part of it was sent."""

    def __init__(
        self, target: Target, limit: float, headers: Mapping[str, str], body: Mapping[str, Any], proxy: str | None
    ) -> None:
        self._target, self._limit, self._headers, self._body, self._proxy = target, limit, headers, body, proxy
        self._left = False

    async def send(self, connect: float) -> httpx.Response:
        """Return the answer; raise one of `NOT_CONNECTED` where the next address may be tried."""
        try:
            client = _client(asyncio.get_running_loop(), self._proxy)
            client.cookies.clear()  # the next request may be to another name at the same address
            return await _read(await client.send(self._built(client, max(0.1, connect)), stream=True))
        except NOT_CONNECTED:
            raise
        except (httpx.LocalProtocolError, ValueError) as error:  # a header, an address or an encoding that cannot be
            raise (Ambiguous if self._left else Rejected)("bad header", type(error).__name__) from error
        except httpx.TimeoutException as error:
            raise self._lost("no answer in time", error) from error
        except (httpx.HTTPError, OSError) as error:
            raise self._lost("connection broke", error) from error

    def _built(self, client: httpx.AsyncClient, connect: float) -> httpx.Request:
        timeouts = httpx.Timeout(self._limit, connect=min(LONGEST_CONNECT_S, self._limit, connect))
        return client.build_request(
            "POST",
            self._target.url,
            headers={**self._headers, "Host": self._target.host_header},
            extensions={"timeout": timeouts.as_dict(), "sni_hostname": self._target.host, "trace": self._trace},
            **self._body,
        )

    async def _trace(self, event: str, _: object) -> None:
        """Note the moment from which the other side may act: not before all headers are sent."""
        if event.endswith("send_request_headers.complete"):
            self._left = True
            departure.leave()

    def _lost(self, reason: Any, error: Exception) -> Exception:
        return Ambiguous(reason, type(error).__name__) if self._left else Later("no connection", type(error).__name__)


@lru_cache(maxsize=4)
def _client(loop: asyncio.AbstractEventLoop, proxy: str | None) -> httpx.AsyncClient:
    """Return the loop's client: the trusted authorities are loaded once, which takes longer than a request.

    No connection is kept: one that the other side has just closed would make an outcome ambiguous.
    """
    limits = httpx.Limits(max_keepalive_connections=0)
    return httpx.AsyncClient(follow_redirects=False, trust_env=False, limits=limits, proxy=proxy, verify=trusted())


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
    """Return a 2xx answer; raise the outcome of any other.  Its text, maybe an internal server's, is not repeated."""
    if response.is_success:
        return response
    raise refusal(response.status_code, seconds_of(response.headers.get("retry-after", "")))


def refusal(status: int, after: float | None) -> NotDelivered:
    """Return the outcome of an HTTP status other than 2xx."""
    reason, detail = http_reason(status), f"status {status}"
    if status >= 500 or status in LATER:
        return Later(reason, detail, after=after)
    if status in FOR_GOOD:
        return Suspended(reason, detail)
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
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError):
        return None
