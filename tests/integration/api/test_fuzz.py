"""Every route against inputs nobody thought of: never a fault of the server, never a traceback."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any
from unittest import SkipTest

import httpx
import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import APIOperation, GenerationMode
from schemathesis.core.result import Ok

from services.api.app import create_app
from tests.integration.api import facts
from tests.integration.api.conftest import assembled


@pytest.fixture(scope="module")
def address(valkey_url: str, postgres_url: str) -> Iterator[str]:
    """The API on a real port, with something recorded."""
    ready, stop = threading.Event(), threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=lambda: asyncio.run(_serve(valkey_url, postgres_url, listener, ready, stop)))
    thread.start()
    assert ready.wait(30)
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    stop.set()
    thread.join(20)


async def _serve(
    valkey: str, postgres: str, listener: socket.socket, ready: threading.Event, stop: threading.Event
) -> None:
    async with assembled(valkey, postgres) as api, _uvicorn_of(create_app(api), listener):
        assert await api.database.start()
        api.board.take(facts.decision())
        await api.publisher.publish()
        ready.set()
        while not stop.is_set():
            await asyncio.sleep(0.05)


@asynccontextmanager
async def _uvicorn_of(app: object, listener: socket.socket) -> AsyncIterator[None]:
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))  # type: ignore[arg-type]
    serving = asyncio.ensure_future(server.serve([listener]))
    yield
    server.should_exit = True
    await serving


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("mode", list(GenerationMode))
def test_no_input_makes_a_route_fail(address: str, mode: GenerationMode) -> None:
    """schemathesis tries every operation, with values that fit its schema or with such that do not."""
    document = httpx.get(f"{address}/api/openapi.json").json()
    del document["paths"]["/stream"]  # it has no end
    statuses: dict[str, list[int]] = {}
    for result in schemathesis.openapi.from_dict(document).get_all_operations():
        assert isinstance(result, Ok), result
        operation = result.ok()
        _try(operation, mode, address, statuses.setdefault(operation.label, []))
    assert len(statuses) > 15
    assert sum(map(len, statuses.values())) > 100, "hardly anything was tried"
    assert not {label: found for label, found in statuses.items() if max(found, default=0) >= 500}


def _try(operation: APIOperation[Any, Any, Any, Any], mode: GenerationMode, address: str, statuses: list[int]) -> None:
    @settings(max_examples=15, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        response = case.call(base_url=address, timeout=10)
        statuses.append(response.status_code)
        assert "Traceback" not in response.text

    try:
        ask()
    except (Unsatisfiable, SkipTest):
        return  # an operation without parameters has no wrong ones
