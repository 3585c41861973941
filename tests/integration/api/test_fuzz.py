"""Every route against random inputs: never a fault of the server, and every answer fits its schema."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
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
from services.api.recorder import CONSUMER, GROUP, STREAMS
from shared.config import local_secrets
from shared.contracts import Alert, AnomalyBody, AnomalyFigures, PriceTick, Stream
from tests.integration.api import facts
from tests.integration.api.conftest import assembled
from tests.patience import PATIENCE_S

MARKUP = "<IMG SRC=X ONERROR=ALERT(1)>"


@dataclass
class Running:
    """The API on a real port, and who may change it."""

    address: str
    credential: dict[str, str]
    tried: dict[str, list[int]] = field(default_factory=dict)


@pytest.fixture(scope="module")
def running(valkey_url: str, postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The API with something of everything recorded."""
    ready, stop = threading.Event(), threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))
    folder = tmp_path_factory.mktemp("api")
    serving = _serve(valkey_url, postgres_url, folder, listener, ready, stop)
    thread = threading.Thread(target=lambda: asyncio.run(serving))
    thread.start()
    assert ready.wait(PATIENCE_S)
    token = local_secrets.read(folder, local_secrets.TOKEN)
    yield Running(f"http://127.0.0.1:{listener.getsockname()[1]}", {"Authorization": f"Bearer {token}"})
    stop.set()
    thread.join(20)


async def _serve(
    valkey: str, postgres: str, folder: Path, listener: socket.socket, ready: threading.Event, stop: threading.Event
) -> None:
    async with assembled(valkey, postgres, folder) as api:
        assert await api.database.start()
        strange = AnomalyBody(
            figures=AnomalyFigures(volume_z=5.0), price=1.0, headline="a shock", pull="a pull", question="?"
        )
        anomaly = Alert(
            alert_id="anomaly:1", kind="anomaly", body=strange, occurred_at=facts.SCAN, created_at=facts.SCAN
        )
        recorded: dict[Stream, list[Any]] = {
            Stream.SCANS: [facts.opened(), facts.settled()],
            Stream.DECISIONS: [facts.decision(), facts.decision("BBBUSDT", score=50.0), facts.decision(MARKUP)],
            Stream.DECISIONS_PASSED: [facts.decision("CCCUSDT", passed=True)],
            Stream.ALERTS: [
                *(
                    facts.signal_alert("CCCUSDT"),
                    facts.lifecycle_alert("danger", "CCCUSDT"),
                    facts.price_alert_fired("p"),
                ),
                anomaly,
            ],
            Stream.DELIVERIES: [facts.report("anomaly:1")],
        }
        for stream, messages in recorded.items():
            await api.bus.publish(stream, messages)
            for message in messages:
                api.board.take(message)
        api.board.take(PriceTick(at=facts.SCAN + 1, prices={"AAAUSDT": 1.0, "CCCUSDT": 99.0}))
        await api.recorder.record(await api.bus.read(GROUP, CONSUMER, STREAMS, block_ms=50))
        await api.publisher.publish()
        async with _uvicorn_of(create_app(api), listener):
            ready.set()
            while not stop.is_set():
                api.service.beat()  # nothing reads the bus here, which would
                await asyncio.sleep(0.05)


@asynccontextmanager
async def _uvicorn_of(app: object, listener: socket.socket) -> AsyncIterator[None]:
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))  # type: ignore[arg-type]
    serving = asyncio.ensure_future(server.serve([listener]))
    yield
    server.should_exit = True
    await serving


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("mode", list(GenerationMode))
def test_no_input_makes_a_route_fail(running: Running, mode: GenerationMode) -> None:
    """schemathesis tries every operation, with values that fit its schema or with such that do not."""
    document = httpx.get(f"{running.address}/api/openapi.json", timeout=PATIENCE_S).json()
    del document["paths"]["/api/events"]  # it has no end
    statuses: dict[str, list[int]] = {}
    for result in schemathesis.openapi.from_dict(document).get_all_operations():
        assert isinstance(result, Ok), result
        operation = result.ok()
        _try(operation, mode, running, statuses.setdefault(operation.label, []))
    assert len(statuses) > 35
    assert sum(map(len, statuses.values())) > 300, "hardly anything was tried"
    assert not {label: found for label, found in statuses.items() if max(found, default=0) >= 500}


def _try(
    operation: APIOperation[Any, Any, Any, Any], mode: GenerationMode, running: Running, statuses: list[int]
) -> None:
    @settings(max_examples=15, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        response = case.call(base_url=running.address, headers=running.credential, timeout=PATIENCE_S)
        statuses.append(response.status_code)
        assert "Traceback" not in response.text
        if response.status_code < 500:
            operation.validate_response(response)

    try:
        ask()
    except (Unsatisfiable, SkipTest):
        return  # an operation without parameters has no wrong ones


KNOWN = (
    *("/api/coins", "/api/coins/AAA", "/api/coins/AAAUSDT?bars=5&scans=9", "/api/coins/CCCUSDT/explain?scans=3"),
    *("/api/signals", "/api/signals/CCCUSDT:long:1757000100000", "/api/alerts", "/api/alerts/anomaly:1", "/api/scans"),
    *("/api/decisions", "/api/deliveries", "/api/anomalies", "/api/price-alerts", "/api/mutes", "/api/config"),
    *("/api/config/changes", "/api/config/history", "/api/config/settings", "/api/config/schema", "/api/status"),
    *(
        "/api/version",
        "/health",
        "/ready",
        "/api/what-if?set=score%3D60",
        "/api/keys",
        "/api/session",
        "/api/dead-letters",
        "/api/export/signals.csv",
    ),
)


@pytest.mark.parametrize("path", KNOWN)
def test_what_is_there_fits_its_schema_and_head_says_the_same(running: Running, path: str) -> None:
    """An answer with something in it has exactly the fields that the document names; HEAD has its headers alone."""
    document = schemathesis.openapi.from_dict(
        httpx.get(f"{running.address}/api/openapi.json", timeout=PATIENCE_S).json()
    )
    answer = httpx.get(f"{running.address}{path}", headers=running.credential, timeout=PATIENCE_S)
    assert answer.status_code == 200, answer.text
    operations = [result.ok() for result in document.get_all_operations() if isinstance(result, Ok)]
    operation = next(found for found in operations if _is_of(found, path.partition("?")[0]))
    operation.validate_response(schemathesis.Response.from_any(answer))
    head = httpx.head(f"{running.address}{path}", headers=running.credential, timeout=PATIENCE_S)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"] == answer.headers["content-type"]


def _is_of(operation: APIOperation[Any, Any, Any, Any], path: str) -> bool:
    template = operation.path.split("/")
    given = path.split("/")
    return (
        operation.method.lower() == "get"
        and len(template) == len(given)
        and all(mine == other or mine.startswith("{") for mine, other in zip(template, given, strict=True))
        and (operation.path == path or "{" in operation.path)
    )


@pytest.mark.parametrize("path", ["/api/price-alerts", "/api/mutes"])
@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity", b"1e999", b"[" * 100_000])
def test_what_is_no_json_is_refused(running: Running, path: str, number: bytes) -> None:
    """NaN, infinities, what overflows to one, and nesting without an end: a 4xx with a sentence."""
    body = b'{"symbol": "AAAUSDT", "condition": "above", "seconds": ' + number + b', "value": ' + number + b"}"
    headers = running.credential | {"content-type": "application/json"}
    answer = httpx.post(f"{running.address}{path}", content=body, headers=headers, timeout=PATIENCE_S)
    assert 400 <= answer.status_code < 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"]


def test_no_number_is_shown_that_is_none(running: Running) -> None:
    """JSON has no NaN: the settings refuse it, whichever way it comes."""
    for body in (b'{"thresholds": {"score": NaN}}', b'{"anomaly": {"volume_z": 1e999}}'):
        headers = running.credential | {"content-type": "application/json"}
        answer = httpx.patch(f"{running.address}/api/config", content=body, headers=headers, timeout=PATIENCE_S)
        assert 400 <= answer.status_code < 500, answer.text
