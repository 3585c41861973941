"""The daily summary: the results of 24 hours, at the time of day in the settings; off without one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import httpx
import structlog
from redis.exceptions import RedisError

from services.notifier.bot.api_client import HttpApi
from services.notifier.delivery.delivery_log import now_ms
from services.notifier.rendering.text import many, signed
from shared import ids
from shared.bus import RedisBus
from shared.contracts import DAY_MS, Alert, Stream, SystemBody
from shared.runtime.service import Service

EVERY_S: Final = 20.0
WINDOW: Final = timedelta(minutes=10)  #: a notifier that was down at the minute still sends it

log = structlog.get_logger()


def due(at: str, now: datetime) -> str:
    """Return the day whose summary is due at *now*, local time; empty when none is.

    A minute that the clocks jump over in spring comes as much later as they jump; one that comes twice
    in autumn counts the first time.
    """
    if not at:
        return ""
    hour, minute = (int(part) for part in at.split(":"))
    moment = now.replace(hour=hour, minute=minute, second=0, microsecond=0, fold=0)
    if moment.timestamp() > now.timestamp():
        moment -= timedelta(days=1)  # a minute before midnight is still due after it
    passed = now.timestamp() - moment.timestamp()  # of real time: local times cannot be subtracted over a change
    return f"{moment:%Y-%m-%d}" if passed < WINDOW.total_seconds() else ""


def summary_of(market: str, day: str, signals: Sequence[dict[str, Any]], now: int) -> Alert:
    """Return the summary of the signals of 24 hours, each as `/api/signals` shows it."""
    closed = [item for item in signals if item.get("status") != "open"]
    results = [float(item["result_r"]) for item in closed if item.get("result_r") is not None]
    lines = [
        f"{many(len(signals), 'signal')}: {_count(signals, 'side', 'long')} long,"
        f" {_count(signals, 'side', 'short')} short",
        f"{len(closed)} ended: {_count(closed, 'status', 'target')} at target,"
        f" {_count(closed, 'status', 'stop')} at stop",
        f"{len(signals) - len(closed)} still open",
    ]
    if results:
        lines.append(f"{signed(sum(results))} before costs")
    return Alert(
        alert_id=ids.system_alert_id(market, f"daily summary:{day}"),
        kind="system",
        body=SystemBody(code="daily summary", headline=f"Daily summary, {day}", lines=tuple(lines)),
        occurred_at=now,
        created_at=now,
    )


def _count(items: Sequence[dict[str, Any]], name: str, value: str) -> int:
    return sum(item.get(name) == value for item in items)


async def keep_summaries(service: Service, bus: RedisBus) -> None:
    """Publish each day's summary once; its id keeps a second notifier from sending it again."""
    sent = ""
    while not service.stopping.is_set():
        presentation = service.settings.settings.presentation
        now = datetime.fromtimestamp(now_ms() / 1_000, ZoneInfo(presentation.timezone))
        day = due(presentation.daily_summary, now)
        if day and day != sent and await _publish(service, bus, day):
            sent = day
        await service.pause(EVERY_S)


async def _publish(service: Service, bus: RedisBus, day: str) -> bool:
    api = HttpApi(service.environment.api_address, service.environment.api_credential)
    try:
        now = now_ms()
        found = await api.get("/api/signals", since=now - DAY_MS, limit=1_000)
        await bus.publish(Stream.ALERTS, [summary_of(bus.market, day, found["items"], now)])
    except (httpx.HTTPError, RedisError, OSError) as error:
        log.warning("the daily summary is postponed", error=type(error).__name__)
        return False
    finally:
        await api.close()
    return True
