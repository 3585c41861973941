"""The server over real sockets: connections that never ask are closed; what asks is answered."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
import uvicorn

from services.api.app import create_app
from services.api.context import Context
from services.api.routes.page import DIST
from services.api.server import PatientProtocol
from tests.patience import PATIENCE_S


class Hurried(PatientProtocol):
    """As in service, with a tenth of a second of patience."""

    patience = 0.1


@asynccontextmanager
async def served(api: Context, root_path: str = "") -> AsyncIterator[int]:
    """Serve on a free port, which is given."""
    listener = socket.create_server(("127.0.0.1", 0))
    app = create_app(api, root_path=root_path)
    server = uvicorn.Server(uvicorn.Config(app, http=Hurried, log_level="error", lifespan="off", proxy_headers=False))
    serving = asyncio.ensure_future(server.serve([listener]))
    try:
        yield listener.getsockname()[1]
    finally:
        api.broadcast.close()
        server.should_exit = True
        await serving


WHOLE = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


@pytest.mark.parametrize("sent", [b"", WHOLE[:20], WHOLE + WHOLE[:20]])
async def test_a_connection_that_does_not_ask_is_closed(api: Context, sent: bytes) -> None:
    """Without a byte, with half a request, and with half a second request: the server ends it by itself."""
    async with served(api) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        async with asyncio.timeout(PATIENCE_S):
            answered = await reader.read()
        assert answered.startswith(b"HTTP/1.1 200") == (sent.count(b"\r\n\r\n") == 1)
        writer.close()


async def received(reader: asyncio.StreamReader) -> bytes:
    """Return all that came until the other side closed the connection, or reset it."""
    try:
        return await reader.read()
    except ConnectionResetError:
        return b""


async def test_three_hundred_half_open_requests_are_gone_and_the_next_is_served(api: Context) -> None:
    """Each is closed; no other client waits for them."""
    async with served(api) as port:
        opened = [await asyncio.open_connection("127.0.0.1", port) for _ in range(300)]
        for _, writer in opened:
            writer.write(b"POST /api/mutes HTTP/1.1\r\n")
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            assert (await client.get("/health")).status_code == 200
        async with asyncio.timeout(PATIENCE_S):
            assert [await received(reader) for reader, _ in opened] == [b""] * 300


async def test_a_listener_is_not_closed_for_being_quiet(api: Context) -> None:
    """An answer that goes on for ever is no half-open request; each event has the id to go on from."""
    async with (
        served(api) as port,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_S) as client,
    ):
        async with client.stream("GET", "/api/events") as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            lines = answer.aiter_lines()
            assert await anext(lines) == "event: heartbeat"
            await asyncio.sleep(3 * Hurried.patience)
            api.broadcast.send("scan", {"scan_id": 7})
            async with asyncio.timeout(PATIENCE_S):
                found = [line async for line in _until(lines, "id: ")]
        assert found[-3:] == ["event: scan", 'data: {"scan_id":7}', f"id: {api.broadcast.newest_id}"]


async def _until(lines: AsyncIterator[str], beginning: str) -> AsyncIterator[str]:
    async for line in lines:
        yield line
        if line.startswith(beginning):
            return


@pytest.mark.parametrize("path", ["/sevengate/api/version", "/api/version"])
async def test_a_prefix_of_a_proxy_is_no_part_of_the_address(api: Context, path: str) -> None:
    """Whether the proxy takes it off or leaves it on."""
    async with served(api, "/sevengate") as port, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        assert (await client.get(path)).json()["name"] == "sevengate"


async def test_the_page_behind_a_prefix_finds_its_files(api: Context) -> None:
    """Its addresses are relative to it, so that they lead to the same prefix, and each one answers with a file."""
    if not (DIST / "index.html").is_file():
        pytest.skip("the dashboard is not built (make setup)")
    async with served(api, "/sevengate") as port, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        page = await client.get("/sevengate/")
        named = re.findall(r'(?:src|href)="([^"]+)"', page.text)
        assert any(name.endswith(".js") for name in named)
        for name in named:
            assert not name.startswith("/"), f"{name} would leave the prefix"
            found = await client.get(page.url.join(name))
            assert found.status_code == 200
            assert not found.headers["content-type"].startswith("text/html")
