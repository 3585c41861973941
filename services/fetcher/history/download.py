"""Files of the exchange's public archive: asked for politely, checked by their checksums, kept when they are right."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import httpx

from shared.network.authorities import trusted
from shared.network.proxies import proxy_for
from shared.version import version

Kind = Literal["klines", "metrics", "fundingRate"]
FOLDER: Final = "/data/futures/um"
TRIES: Final = 4  #: of one address, where the line or the server fails
LONGEST_WAIT_S: Final = 60.0
#: no limit for a whole file: a slow line may take its time as long as something comes
TIMEOUT: Final = httpx.Timeout(30.0, connect=10.0)
BUSY: Final = frozenset({418, 429, 500, 502, 503, 504})
REFUSED: Final = {403: "refuses this address or network", 451: "does not serve this region"}


class ArchiveError(Exception):
    """The archive cannot be used now; the text says why and what to do."""


class WrongChecksumError(Exception):
    """A file that differs from its checksum each time it is loaded; the text names it."""


class NotThereError(Exception):
    """The archive has no such file."""


@dataclass(frozen=True)
class ArchiveFile:
    """A file of the archive: one kind of one symbol, of a month (2026-01) or a day (2026-01-31)."""

    kind: Kind
    symbol: str
    period: str

    @property
    def name(self) -> str:
        """Its name, under which the archive and the checksum know it."""
        return f"{self.symbol}-{'5m' if self.kind == 'klines' else self.kind}-{self.period}.zip"

    @property
    def path(self) -> str:
        """Where it lies in the archive."""
        span = "monthly" if len(self.period) == len("2026-01") else "daily"
        interval = "5m/" if self.kind == "klines" else ""
        return f"{FOLDER}/{span}/{self.kind}/{self.symbol}/{interval}{self.name}"


class ArchiveClient:
    """The archive over HTTP, at most *parallel* files at a time."""

    def __init__(self, url: str, *, parallel: int, pause: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self.url = url.rstrip("/")
        self._pause = pause
        self._turn = asyncio.Semaphore(parallel)
        self._client = httpx.AsyncClient(
            timeout=TIMEOUT,
            trust_env=False,
            proxy=proxy_for(url),
            verify=trusted(),
            follow_redirects=True,
            headers={"User-Agent": f"sevengate/{version()}"},
            limits=httpx.Limits(max_connections=parallel),
        )

    async def close(self) -> None:
        await self._client.aclose()

    async def load(self, file: ArchiveFile, folder: Path) -> Path:
        """Return *file* in *folder*, loaded unless it is there already: what is there has been checked.

        Raises `NotThereError`, `WrongChecksumError`, `ArchiveError` and `OSError` (a full disk).
        """
        kept = folder / file.name
        async with self._turn:
            if not kept.exists():
                data = await self._right(file)
                part = kept.with_suffix(".part")
                part.write_bytes(data)
                part.replace(kept)
        return kept

    async def _right(self, file: ArchiveFile) -> bytes:
        """Return the content once it fits its checksum; both are asked for again where it does not."""
        for _ in range(2):
            data = await self._get(file.path)
            try:
                checksum = await self._get(f"{file.path}.CHECKSUM")
            except NotThereError:
                raise WrongChecksumError(f"{file.name}: the archive has no checksum of it") from None
            wanted = checksum.split()[:1]
            if wanted == [hashlib.sha256(data).hexdigest().encode()]:
                return data
        raise WrongChecksumError(f"{file.name}: loaded twice, and both times it did not fit its checksum")

    async def _get(self, path: str) -> bytes:
        """Return the whole answer; a line or server that fails is asked again, later and later."""
        problem = ""
        for number in range(TRIES):
            if number:
                await self._pause(min(2.0 ** (number - 1), LONGEST_WAIT_S))
            try:
                response = await self._client.get(self.url + path)
            except httpx.HTTPError as error:
                problem = str(error) or type(error).__name__
                continue
            if response.status_code == httpx.codes.NOT_FOUND:
                raise NotThereError(path)
            if response.status_code in REFUSED:
                raise ArchiveError(
                    f"{self.url} {REFUSED[response.status_code]} (HTTP {response.status_code}):"
                    " go through a proxy (HTTPS_PROXY), or set SEVENGATE_BINANCE_ARCHIVE_URL to a mirror"
                )
            if response.status_code in BUSY:
                problem = f"HTTP {response.status_code}"
                await self._pause(min(_seconds(response.headers.get("Retry-After")), LONGEST_WAIT_S))
                continue
            if response.status_code != httpx.codes.OK:
                raise ArchiveError(f"{self.url}{path} answered HTTP {response.status_code}")
            return response.content
        raise ArchiveError(f"{self.url} does not answer ({problem}, {TRIES} times): run the same command again later")


def _seconds(text: str | None) -> float:
    return float(text) if text is not None and text.isdecimal() else 0.0
