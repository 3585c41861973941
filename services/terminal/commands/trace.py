"""`./sevengate trace ALERT_ID`: the way of one alert, from the bar's close to every destination, with times.

All of it comes from the API.  The close and the opening of the scan are of the exchange's clock, what follows is wall
clock; the services log a ``trace_id`` (`shared.ids.trace_id`) with which the lines of their logs are found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from services.terminal.output import api_client
from shared.ids import trace_id

Found = Mapping[str, Any]
EXCHANGE: Final = "exchange"
WALL: Final = "wall"


@dataclass(frozen=True)
class TraceStep:
    """One moment on the way of an alert."""

    at: int  #: UNIX ms
    clock: str  #: "exchange" or "wall"
    stage: str
    what: str


@dataclass(frozen=True)
class Trace:
    """The way of one alert."""

    alert_id: str
    trace_id: str  #: what the services' log lines about it carry
    kind: str
    symbol: str
    steps: tuple[TraceStep, ...]

    def as_record(self) -> dict[str, Any]:
        """Return it for `--json`."""
        return asdict(self)


def fetch(alert_id: str, market: str) -> Trace:
    """Ask the API for the way of *alert_id* in *market*; raise `api_client.ApiError`."""
    alert = api_client.request("GET", f"/api/alerts/{quote(alert_id, safe='')}")
    scan_id = alert["scan_id"]
    scans: Sequence[Found] = []
    if scan_id:
        span = {"since": str(scan_id), "until": str(scan_id), "limit": "1"}
        scans = api_client.request("GET", "/api/scans", query=span)["items"]
    return trace(alert, scans[0] if scans else None, market)


def trace(alert: Found, scan: Found | None, market: str) -> Trace:
    """Return the way of *alert*, as the API describes it, through *scan*."""
    steps = _of_scan(scan) if scan else []
    steps.append(TraceStep(alert["created_at"], WALL, "gatekeeper", f"the {alert['kind']} alert was made"))
    steps += sorted((_of_delivery(report) for report in alert["deliveries"]), key=lambda step: step.at)
    name = trace_id(market, alert["symbol"], alert["scan_id"]) if alert["scan_id"] else ""
    return Trace(alert["alert_id"], name, alert["kind"], alert["symbol"], tuple(steps))


def _of_scan(scan: Found) -> list[TraceStep]:
    steps = [TraceStep(scan["scan_id"], EXCHANGE, "exchange", "the five-minute bar closed")]
    if scan["opened_at"]:
        steps.append(
            TraceStep(scan["opened_at"], EXCHANGE, "fetcher", f"the scan of {scan['symbols']} coins was opened")
        )
    if scan["settled_at"]:
        taken = f", {scan['seconds']:.2f} s after its opening" if scan["seconds"] is not None else ""
        steps.append(TraceStep(scan["settled_at"], WALL, "gatekeeper", f"the scan was settled{taken}"))
    return steps


def _of_delivery(report: Found) -> TraceStep:
    what = f"{report['destination']} ({report['channel']}), attempt {report['attempt']}: {report['status']}"
    if report["reason"]:
        what += f": {report['reason']}"
    return TraceStep(report["at"], WALL, "deliverer", f"{what}, {report['seconds']:.2f} s")


def as_table(found: Trace) -> RenderableType:
    """Return the way for a terminal; the third column is the time since the moment before on the same clock."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name, justify in (
        ("time (UTC)", "left"),
        ("clock", "left"),
        ("after", "right"),
        ("stage", "left"),
        ("", "left"),
    ):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    before: dict[str, int] = {}
    for step in found.steps:
        after = f"{(step.at - before[step.clock]) / 1_000:+.3f} s" if step.clock in before else ""
        before[step.clock] = step.at
        table.add_row(_time(step.at), step.clock, after, step.stage, step.what)
    head = Text(f"{found.kind} {found.symbol}  {found.alert_id}".replace("  ", " ", 1), style="bold")
    named = [Text(f"log lines: trace_id {found.trace_id}", style="dim")] if found.trace_id else []
    return Group(head, table, *named)


def _time(at: int) -> str:
    return datetime.fromtimestamp(at / 1_000, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
