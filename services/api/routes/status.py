"""/api/status, /api/version, /health, /ready: the health of Sevengate."""

from __future__ import annotations

import contextlib
import platform
import statistics
import time
from typing import Any, Final, TypeVar

import msgspec
from fastapi import Response
from redis.exceptions import RedisError

from services.api.context import Context, Uses, UsesAll, answer, now_ms, resource
from services.api.gauges import disk_of, memory_of
from services.api.schemas.status import Health, Ready, Status, StorageShown, Version
from services.api.store import counts, identity, sizes
from services.api.store.archive import keeping
from services.api.store.database import DatabaseAwayError
from services.api.views.facts import Json
from shared.bus import Backlog, ServiceReport
from shared.contracts import Stream
from shared.reports import FETCHER, WEIGHT, WeightUsed
from shared.runtime.leader import STANDBY
from shared.version import version

router = resource("status")
Left = TypeVar("Left")
STARTED: Final = time.time()
WEIGHT_KNOWN_MS: Final = 30_000  #: an older report is of another minute
API: Final = 2  #: grows when an answer loses or renames a field
FEATURES: Final = (
    *("coins", "events", "signals", "anomalies", "price-alerts", "mutes", "deliveries", "resend", "test-alert"),
    *("config-history", "config-validate", "export-csv", "refresh", "keys", "sessions", "dead-letters", "record"),
)
READERS: Final = (
    *((Stream.SNAPSHOTS, "analyzer"), (Stream.SCANS, "gatekeeper"), (Stream.ANALYSES, "gatekeeper")),
    *((Stream.TICKS, "gatekeeper"), (Stream.ALERTS, "notifier"), (Stream.SCANS, "api"), (Stream.DECISIONS, "api")),
    *((Stream.DECISIONS_PASSED, "api"), (Stream.ALERTS, "api"), (Stream.DELIVERIES, "api"), (Stream.OUTCOMES, "api")),
    *((Stream.SCANS, "evaluator"), (Stream.DECISIONS, "evaluator"), (Stream.DECISIONS_PASSED, "evaluator")),
)
MAKERS: Final = {  #: the stream that each service writes
    "fetcher": (Stream.SNAPSHOTS, Stream.TICKS),
    "analyzer": (Stream.ANALYSES,),
    "gatekeeper": (Stream.DECISIONS, Stream.DECISIONS_PASSED),
    "notifier": (Stream.DELIVERIES,),
}


@router.get("/health", response_model=Health, responses={503: {"model": Health}})
async def health(contexts: UsesAll) -> Response:
    """Return whether this process makes progress; it is healthy while it waits for the database.

    It needs no key and says nothing that a stranger may not know; `/api/status` has the details.
    """
    healthy, _ = contexts[0].service.health()
    is_away = any(_is_away(context) for context in contexts)
    shown = {"service": "api", "healthy": healthy, "database": "away" if is_away else "ok"}
    return answer(shown, 200 if healthy else 503)


@router.get("/ready", response_model=Ready, responses={503: {"model": Ready}})
async def ready(contexts: UsesAll) -> Response:
    """Return whether everything can be served: settings are published and the database answers."""
    waiting = ["the database"] if any(_is_away(context) for context in contexts) else []
    waiting += [] if all(context.publisher.current for context in contexts) else ["the bus"]
    return answer({"ready": not waiting, "waiting_for": waiting}, 503 if waiting else 200)


@router.get("/api/version", response_model=Version)
async def version_of_this(context: Uses) -> Response:
    """Return what runs here, and what it can do."""
    try:
        known = await identity.load(context.database)
    except DatabaseAwayError:
        known = identity.Identity("", "")
    return answer(
        {
            "name": "sevengate",
            "version": version(),
            "api": API,
            "python": platform.python_version(),
            "instance": known.instance,
            "source": known.source,
            "features": FEATURES,
        }
    )


@router.get("/api/status", response_model=Status)
async def status(context: Uses, contexts: UsesAll) -> Response:
    """Return the freshness of every service, the last scan, the top coin, ages, lags, the stores and counts."""
    board, database = context.board, context.database
    return answer(
        {
            "now": now_ms(),
            "version": version(),
            "uptime_seconds": round(time.time() - STARTED, 1),
            "market": context.bus.market,
            "markets": [each.bus.market for each in contexts],
            "exchange_time": board.exchange_time,
            "clock_speed": context.service.environment.clock_speed,
            "settings_version": context.publisher.current.version if context.publisher.current else None,
            "last_scan": board.last_scan(),
            "open_scan": board.open_scan(),
            "top_coin": board.top(),
            "ages": ages(context),
            **await _weight(context),
            "services": await _services(context),
            "streams": await _streams(context),
            "database": {"ok": not database.reason and database.ready, "reason": database.reason},
            "recorder": {
                "stored": context.recorder.stored,
                "waiting_for": context.recorder.waiting,
                "lost": context.recorder.lost,
            },
            "listeners": len(context.broadcast),
            "counts": await _counts(context),
            "storage": await _storage(context),
            "archive": await _archive(context),
        }
    )


async def _weight(context: Context) -> Json:
    """Return the request weight of this minute, as the fetcher left it in its state."""
    found = await fetcher_field(context, WEIGHT, WeightUsed)
    if found is None or now_ms() - found.at > WEIGHT_KNOWN_MS:
        return {"weight_used": None, "weight_limit": None}
    return {"weight_used": found.used, "weight_limit": found.limit}


async def fetcher_field(context: Context, name: str, kind: type[Left]) -> Left | None:
    """Return what the fetcher left in its state under *name*, None without it or without the bus."""
    try:
        held = (await context.bus.load_state(FETCHER)).fields.get(name)
        return msgspec.json.decode(held, type=kind) if held else None
    except (RedisError, OSError, msgspec.DecodeError):
        return None


def ages(context: Context) -> Json:
    """Return how old the data is, in seconds of the exchange's clock."""
    board = context.board
    now, scan = board.exchange_time, board.newest_scan
    figures = [held.analysis.derivatives for held in board.fresh()]
    since_scan = max(0.0, (now - scan) / 1_000) if now and scan else None
    seen = board.seen.get(Stream.TICKS)
    speed = context.service.environment.clock_speed
    return {
        "price": max(0.0, time.time() - seen) * speed if seen and now else None,
        "scan": since_scan,
        "funding": _median([each.get("funding_age") for each in figures], since_scan),
        "open_interest": _median([each.get("open_interest_age") for each in figures], since_scan),
        "ratios": _median([each.get("ratio_age") for each in figures], since_scan),
    }


def _median(found: list[float | None], since_scan: float | None) -> float | None:
    known = [age for age in found if age is not None]
    return statistics.median(known) + (since_scan or 0.0) if known else None


def _is_away(context: Context) -> bool:
    return bool(context.recorder.waiting) or not context.database.ready


async def _services(context: Context) -> Json:
    """Return the age in seconds of each service's newest message, null where there is none, and what it says."""
    found: Json = {}
    reports = await _reports(context)
    for service, streams in MAKERS.items():
        newest = [at for stream in streams if (at := await _newest(context, stream))]
        said = [report for report in reports if report.service == service]
        found[service] = {
            "seconds_since_message": round(max(0.0, time.time() - max(newest)), 1) if newest else None,
            "waiting_for": _waiting(said),
            "remarks": sorted({remark for report in said for remark in report.remarks}),
        }
    return found


async def _reports(context: Context) -> list[ServiceReport]:
    try:
        return await context.bus.reports.all()
    except (RedisError, OSError):
        return []


def _waiting(said: list[ServiceReport]) -> str:
    """Return what a service waits for: nothing while one of its processes works; a standby waits only for its turn."""
    waiting = [report.waiting_for for report in said if not report.waiting_for.startswith(STANDBY)]
    return "" if "" in waiting else next(iter(waiting), "")


async def _newest(context: Context, stream: Stream) -> float:
    try:
        return max(context.board.seen.get(stream, 0.0), int((await context.bus.last_id(stream)).split("-")[0]) / 1_000)
    except (RedisError, OSError):
        return context.board.seen.get(stream, 0.0)


async def _streams(context: Context) -> list[Json] | None:
    try:
        return [_show(stream, group, await context.bus.backlog(stream, group)) for stream, group in READERS]
    except (RedisError, OSError):
        return None


def _show(stream: Stream, group: str, backlog: Backlog) -> Json:
    return {
        "stream": stream,
        "group": group,
        "length": backlog.length,
        "undelivered": backlog.undelivered,
        "pending": backlog.pending,
        "oldest_pending_seconds": round(backlog.oldest_pending_ms / 1_000, 1),
        "trimmed_unread": backlog.trimmed_unread,
    }


async def _counts(context: Context) -> Any:
    try:
        return await context.counts.get(lambda: counts.load(context.database, now_ms()))
    except DatabaseAwayError:
        return None


async def _archive(context: Context) -> Json | None:
    try:
        return await keeping.shown(context.database)
    except DatabaseAwayError:
        return None


async def _storage(context: Context) -> Json:
    usage = disk_of(context.service.environment.data_dir)
    held: dict[str, int] = {"disk_free": usage.free}
    with contextlib.suppress(RedisError, OSError):
        held["bus_bytes"] = await memory_of(context.bus)
    shown: Json = dict.fromkeys(StorageShown.model_fields) | held | {"disk_bytes": usage.total}
    with contextlib.suppress(DatabaseAwayError):
        shown["database_bytes"] = held["database_bytes"] = await sizes.now(context.database)
        shown["archive_bytes"] = held["archive_bytes"] = await keeping.bytes_of(context.database)
        if "bus_bytes" in held:
            shown |= await sizes.growth(context.database, held, now_ms())
    return shown
