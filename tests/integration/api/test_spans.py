"""Spans of an alert's way, taken by a collector on the loopback that reads the protobuf."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from services.api.live.spans import AlertSpans, spans_of
from services.terminal.local.listening import free_port
from shared.contracts import Alert, DeliveryReport, DeliveryStatus, Message, ScanSettled, SystemBody
from shared.sending.results import Reason

CLOSE = 1_760_000_100_000
SETTLED = ScanSettled(
    scan_id=CLOSE, symbols=2, analysed=2, passed=1, alerts=1, missing=(), at_deadline=False,
    opened_at=CLOSE, settled_at=CLOSE + 2_000, seconds=1.5,
)  # fmt: skip
ALERT = Alert(
    alert_id="um:signal:BTCUSDT", kind="signal", body=SystemBody(code="test", headline="a test"), occurred_at=CLOSE,
    created_at=CLOSE + 2_100, scan_id=CLOSE, symbol="BTCUSDT", side="long",
)  # fmt: skip


def report(attempt: int, status: DeliveryStatus, at: int, reason: Reason = "") -> DeliveryReport:
    """Return the report of an attempt that took 200 ms."""
    return DeliveryReport(
        report_id=f"{ALERT.alert_id}:house:{attempt}:{status}", alert_id=ALERT.alert_id, destination="house",
        channel="webhook", attempt=attempt, status=status, at=CLOSE + at, reason=reason, seconds=0.2,
    )  # fmt: skip


class Collector:
    """Takes OTLP over HTTP."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.service = ""

    async def take(self, request: web.Request) -> web.Response:
        """Note the spans of one export."""
        export = ExportTraceServiceRequest.FromString(await request.read())
        for resource in export.resource_spans:
            named = {item.key: item.value.string_value for item in resource.resource.attributes}
            self.service = named["service.name"]
            self.spans += [span for scope in resource.scope_spans for span in scope.spans]
        return web.Response(body=b"", content_type="application/x-protobuf")


@asynccontextmanager
async def collecting(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Collector, AlertSpans]]:
    """Run a collector; yield it and what exports to it."""
    collector, app, port = Collector(), web.Application(), free_port()
    app.add_routes([web.post("/v1/traces", collector.take)])
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
    spans = spans_of("um")
    assert spans is not None
    try:
        yield collector, spans
    finally:
        await runner.cleanup()


async def exported(monkeypatch: pytest.MonkeyPatch, *batches: list[Message]) -> Collector:
    """Return the collector after the recorder has stored *batches*."""
    async with collecting(monkeypatch) as (collector, spans):
        for batch in batches:
            spans.take(batch)
        await asyncio.to_thread(spans.close)
    return collector


async def test_an_alerts_way_is_one_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scan, queue and every attempt are parts of the alert's span, with the times that the messages carry."""
    reports = [report(1, "retrying", 3_000, "no connection"), report(2, "sent", 6_000)]
    collector = await exported(monkeypatch, [SETTLED], [reports[0], ALERT], [reports[1]])
    times = {
        (span.name, (span.start_time_unix_nano // 1_000_000 - CLOSE, span.end_time_unix_nano // 1_000_000 - CLOSE))
        for span in collector.spans
    }
    assert times == {
        ("signal alert", (500, 3_000)),
        ("scan", (500, 2_000)),
        ("queue", (2_100, 2_800)),
        ("deliver webhook", (2_800, 3_000)),
        ("deliver webhook", (5_800, 6_000)),
    }
    (root,) = (span for span in collector.spans if not span.parent_span_id)
    assert {span.parent_span_id for span in collector.spans if span is not root} == {root.span_id}
    assert len({span.trace_id for span in collector.spans}) == 1
    assert len({span.span_id for span in collector.spans}) == len(collector.spans)
    about = {item.key: item.value.string_value for item in root.attributes}
    assert about["sevengate.trace_id"] == f"um:BTCUSDT:{CLOSE}", "by which the log lines are found"
    assert collector.service == "sevengate"


async def test_an_attempt_that_fails_for_good_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is tried again is none."""
    reports = [report(1, "retrying", 3_000, "no connection"), report(2, "rejected", 6_000, "forbidden address")]
    collector = await exported(monkeypatch, [SETTLED, ALERT, *reports])
    attempts = [span for span in collector.spans if span.name == "deliver webhook"]
    assert [span.status.code == Status.STATUS_CODE_ERROR for span in attempts] == [False, True]
    assert attempts[1].status.message == "forbidden address"


async def test_a_report_that_is_recorded_twice_has_the_same_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    """A collector can see that it is one span."""
    ids = [
        {(span.trace_id, span.span_id) for span in (await exported(monkeypatch, [ALERT, report(1, "sent", 9)])).spans}
        for _ in range(2)
    ]
    assert ids[0] == ids[1]


def test_without_a_collector_nothing_is_imported() -> None:
    """Neither the exporter nor what makes spans (redis-py imports the SDK's metrics where it finds them)."""
    program = (
        "import sys, services.api.__main__ as api; assert api.spans_of('um', {}) is None;"
        "names = ('opentelemetry.sdk.trace', 'opentelemetry.exporter');"
        "print([name for name in sys.modules if name.startswith(names)])"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
