"""Spans of each alert's way for a collector of OpenTelemetry, where one is named; nothing is imported without.

They are made afterwards, from the times that messages carry, as the API records the reports of an alert's deliveries:
the scan, the wait in the destination's queue, each attempt.  No service waits for a collector, and spans that it does
not take in time are dropped.
"""

from __future__ import annotations

import hashlib
import os
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

import structlog

from shared.contracts import Alert, DeliveryReport, Message, ScanSettled
from shared.runtime.tracing import trace_of
from shared.version import version

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
    from opentelemetry.trace import SpanContext

ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
REMEMBERED: Final = 1_000  #: alerts that may still be delivered, and scans
FAILED: Final = frozenset({"unknown", "rejected", "expired"})
INSTALL: Final = "pip install --require-hashes -r requirements-traces.lock"

log = structlog.get_logger()


def spans_of(market: str, environment: Mapping[str, str] = os.environ) -> AlertSpans | None:
    """Return what exports spans to the collector that *environment* names; None where it names none."""
    if not any(environment.get(name) for name in ENDPOINTS):
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ImportError:
        log.error("traces are not exported: OpenTelemetry is not installed", install=INSTALL)
        return None
    return AlertSpans(market, BatchSpanProcessor(OTLPSpanExporter()))


class AlertSpans:
    """Makes the spans of alerts as their deliveries are reported."""

    def __init__(self, market: str, processor: SpanProcessor) -> None:
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 optional

        self._market = market
        self._processor = processor
        self._resource = Resource.create({"service.version": version()})
        if os.environ.get("OTEL_SERVICE_NAME") is None:
            self._resource = self._resource.merge(Resource({"service.name": "sevengate"}))
        self._alerts: OrderedDict[str, Alert] = OrderedDict()
        self._scans: OrderedDict[int, ScanSettled] = OrderedDict()
        self._begun: OrderedDict[str, None] = OrderedDict()  #: alerts whose own span is made

    def take(self, messages: Iterable[Message]) -> None:
        """Make the spans of what *messages* report."""
        reports = []
        for message in messages:
            if isinstance(message, ScanSettled):
                _remember(self._scans, message.scan_id, message)
            elif isinstance(message, Alert):
                _remember(self._alerts, message.alert_id, message)
            elif isinstance(message, DeliveryReport):
                reports.append(message)
        for report in reports:  # the alert may stand behind its report: they are of two streams
            if (alert := self._alerts.get(report.alert_id)) is not None:
                self._report(alert, report)

    def _report(self, alert: Alert, report: DeliveryReport) -> None:
        """Make the spans of one attempt, and with the first one those of the alert."""
        began = report.at - round(report.seconds * 1_000)
        if alert.alert_id not in self._begun:
            _remember(self._begun, alert.alert_id, None)
            self._alert(alert, report.at)
        if report.attempt == 1:
            queued = {"sevengate.stage": "notifier", "sevengate.destination": report.destination}
            self._span(alert, f"queue:{report.destination}", "queue", alert.created_at, began, queued)
        about = {
            "sevengate.stage": "deliverer",
            "sevengate.destination": report.destination,
            "sevengate.channel": report.channel,
            "sevengate.attempt": report.attempt,
            "sevengate.status": report.status,
            "sevengate.reason": report.reason,
        }
        self._span(alert, report.report_id, f"deliver {report.channel}".rstrip(), began, report.at, about)

    def _alert(self, alert: Alert, until: int) -> None:
        """Make the span that all others of *alert* are part of, and its scan's."""
        scan = self._scans.get(alert.scan_id)
        opened = alert.created_at if scan is None else scan.settled_at - round(scan.seconds * 1_000)
        about = {
            "sevengate.alert_id": alert.alert_id,
            "sevengate.trace_id": trace_of(self._market, alert),
            "sevengate.market": self._market,
            "sevengate.symbol": alert.symbol,
            "sevengate.side": alert.side or "",
        }
        self._span(alert, "", f"{alert.kind} alert", opened, until, about)
        if scan is not None:
            counts = {"sevengate.analysed": scan.analysed, "sevengate.missing": len(scan.missing)}
            self._span(alert, "scan", "scan", opened, scan.settled_at, {"sevengate.stage": "gatekeeper", **counts})

    def _span(self, alert: Alert, part: str, name: str, began: int, ended: int, about: Mapping[str, Any]) -> None:
        """Hand on one span from *began* to *ended*, wall clock in ms; *part* is empty for the alert's own."""
        from opentelemetry.trace import Status, StatusCode  # noqa: PLC0415 optional

        failed = about.get("sevengate.status") in FAILED
        self._processor.on_end(
            _readable(
                name,
                self._context(alert, part),
                self._context(alert, "") if part else None,
                resource=self._resource,
                attributes={key: value for key, value in about.items() if value != ""},
                status=Status(StatusCode.ERROR, str(about.get("sevengate.reason"))) if failed else Status(),
                start_time=min(began, ended) * 1_000_000,
                end_time=ended * 1_000_000,
            )
        )

    def _context(self, alert: Alert, part: str) -> SpanContext:
        """Return the ids of a span, which are the same whenever it is made."""
        from opentelemetry.trace import SpanContext, TraceFlags  # noqa: PLC0415 optional

        trace = trace_of(self._market, alert) or alert.alert_id
        return SpanContext(
            _number(trace, 16), _number(f"{alert.alert_id}\0{part}", 8), False, TraceFlags(TraceFlags.SAMPLED)
        )

    def close(self) -> None:
        """Send what is left."""
        self._processor.shutdown()


def _readable(name: str, context: SpanContext, parent: SpanContext | None, **fields: Any) -> ReadableSpan:
    from opentelemetry.sdk.trace import ReadableSpan  # noqa: PLC0415 optional
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope  # noqa: PLC0415

    scope = InstrumentationScope("sevengate", version())
    return ReadableSpan(name, context, parent, instrumentation_scope=scope, **fields)


def _number(name: str, length: int) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:length], "big")


def _remember(held: OrderedDict[Any, Any], key: Any, value: Any) -> None:
    """Keep *value*, and of the others as many as may be kept."""
    held[key] = value
    held.move_to_end(key)
    while len(held) > REMEMBERED:
        held.popitem(last=False)
