"""The Fear & Greed index: fetched regularly, cached, and optional."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import httpx
import msgspec
import structlog

from shared.contracts import HOUR_MS, Sentiment
from shared.network.authorities import trusted
from shared.network.proxies import proxy_for

KEPT_S: Final = 3_600.0  #: it changes once a day
RETRY_S: Final = 300.0
TOO_OLD_MS: Final = 48 * HOUR_MS  #: wall time since it was fetched

log = structlog.get_logger()


class _Row(msgspec.Struct):
    value: int
    value_classification: str
    timestamp: int


class _Answer(msgspec.Struct):
    data: list[_Row]


_decoder = msgspec.json.Decoder(_Answer, strict=False)


def parse(body: bytes, fetched_at: int) -> Sentiment:
    """Return the newest index in *body*; raise `ValueError` on anything else."""
    try:
        row = _decoder.decode(body).data[0]
    except (msgspec.DecodeError, IndexError) as error:
        raise ValueError(f"not an index: {error}") from error
    if not 0 <= row.value <= 100:
        raise ValueError(f"an index of {row.value}")
    return Sentiment(value=row.value, label=row.value_classification, at=row.timestamp * 1_000, fetched_at=fetched_at)


class FearAndGreed:
    """The newest index and when to ask for the next."""

    def __init__(self, url: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._url = url
        self._monotonic = monotonic
        self._held: Sentiment | None = None
        self._next = 0.0

    @property
    def newest(self) -> Sentiment | None:
        """The index, None where the last one is older than two days."""
        if self._held is None or self._held.fetched_at < time.time() * 1_000 - TOO_OLD_MS:
            return None
        return self._held

    async def refresh(self) -> None:
        """Ask for it if it is time; a failure is logged and asked again in five minutes."""
        if self._monotonic() < self._next:
            return
        self._next = self._monotonic() + RETRY_S
        try:
            proxy = proxy_for(self._url)
            async with httpx.AsyncClient(timeout=10.0, trust_env=False, proxy=proxy, verify=trusted()) as client:
                response = await client.get(self._url, params={"limit": 1})
            response.raise_for_status()
            self._held = parse(response.content, int(time.time() * 1_000))
            self._next = self._monotonic() + KEPT_S
        except (httpx.HTTPError, ValueError) as error:
            log.warning("the sentiment index could not be fetched", error=repr(error))
