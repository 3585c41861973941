"""The fetcher behind a proxy: TLS through CONNECT for requests and streams, and what reads no variables itself."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme
from aiohttp import web
from structlog.testing import capture_logs

from services.fetcher.feed.fear_greed import FearAndGreed

from .conftest import Feed, http_proxy, listening, pump
from .test_sentiment import GOOD

NAME = "exchange.invalid"  #: only the proxy knows where it is
VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin without the proxies of the machine that runs the tests."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@asynccontextmanager
async def secured(target: str, authority: trustme.CA) -> AsyncIterator[str]:
    """Serve *target* under TLS as `NAME`; yield the host and port."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(NAME).configure_cert(context)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, _, port = target.partition(":")
        there, back = await asyncio.open_connection(host, int(port))
        await asyncio.gather(pump(reader, back), pump(there, writer), return_exceptions=True)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


@pytest.mark.timeout(600)
@pytest.mark.slow
async def test_requests_and_streams_go_through_connect_to_a_private_authority(feed: Feed, tmp_path: Path) -> None:
    """https and wss are tunnelled, the name is checked against SSL_CERT_FILE, and a whole scan comes through."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    streams = feed.ws_url.partition("//")[2].partition("/")[2]
    async with (
        secured(feed.rest_url.partition("//")[2], authority) as front,
        http_proxy(front) as (address, seen),
    ):
        feed.start_fetcher(
            SEVENGATE_BINANCE_REST_URL=f"https://{NAME}",
            SEVENGATE_BINANCE_WS_URL=f"wss://{NAME}/{streams}".rstrip("/"),
            SEVENGATE_FEAR_GREED_URL=f"https://{NAME}/fng/",
            HTTPS_PROXY=address,
            SSL_CERT_FILE=str(tmp_path / "ca.pem"),
        )
        await feed.scan()
        opened = await feed.next_scan()
        connected = (await feed.status())["connections"]
        snapshots = await feed.snapshots(opened.scan_id)
        feed.stop()
    assert not opened.missing
    assert not opened.degraded
    assert connected, "no stream came through"
    assert set(seen) == {f"CONNECT {NAME}:443 HTTP/1.1"}
    assert all(snapshot.sentiment is not None for snapshot in snapshots.values())


async def test_the_sentiment_index_is_asked_for_through_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that only the proxy can resolve is reached."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=GOOD)

    async with listening(answer) as target, http_proxy(target) as (address, seen):
        monkeypatch.setenv("HTTP_PROXY", address)
        index = FearAndGreed("http://index.invalid/fng/")
        await index.refresh()
    assert index.newest is not None
    assert len(seen) == 1


async def test_a_socks_proxy_keeps_the_index_away_and_harms_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is named in the log; past loopback it is not even looked at."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=GOOD)

    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")
    far = FearAndGreed("http://index.invalid/fng/")
    with capture_logs() as lines:
        await far.refresh()
    assert far.newest is None
    assert "ALL_PROXY: SOCKS proxies are not supported" in lines[0]["error"]
    async with listening(answer) as target:
        near = FearAndGreed(f"http://{target}/fng/")
        await near.refresh()
    assert near.newest is not None
