"""The daily summary: how the day went, at the time that the settings name; off without one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import httpx
import structlog
from redis.exceptions import RedisError

from services.notifier.ledger import now_ms
from services.notifier.rest import HttpApi
from services.notifier.text import many, signed
from shared.bus import RedisBus
from shared.contracts import Alert, Stream, SystemBody
from shared.service import Service

EVERY_S: Final = 20.0
WINDOW: Final = timedelta(minutes=10)  #: a notifier that was down at the minute still tells it
DAY_MS: Final = 86_400_000

log = structlog.get_logger()


def due(at: str, now: datetime) -> str:
    """Return the day whose summary is due at *now*, local time; empty when none is."""
    if not at:
        return ""
    hour, minute = (int(part) for part in at.split(":"))
    moment = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
    if moment > now:
        moment -= timedelta(days=1)  # a minute before midnight is still told after it
    return f"{moment:%Y-%m-%d}" if now < moment + WINDOW else ""


def summary_of(day: str, signals: Sequence[dict[str, Any]], now: int) -> Alert:
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
        alert_id=f"system:daily summary:{day}",
        kind="system",
        body=SystemBody(code="daily summary", headline=f"The day until {day}", lines=tuple(lines)),
        occurred_at=now,
        created_at=now,
    )


def _count(items: Sequence[dict[str, Any]], name: str, value: str) -> int:
    return sum(item.get(name) == value for item in items)


async def keep_summaries(service: Service, bus: RedisBus) -> None:
    """Tell each day's summary once; its id keeps a second notifier from telling it again."""
    told = ""
    while not service.stopping.is_set():
        presentation = service.settings.settings.presentation
        now = datetime.fromtimestamp(now_ms() / 1_000, ZoneInfo(presentation.timezone))
        day = due(presentation.daily_summary, now)
        if day and day != told and await _tell(service, bus, day):
            told = day
        await service.pause(EVERY_S)


async def _tell(service: Service, bus: RedisBus, day: str) -> bool:
    api = HttpApi(service.environment.api_address, service.environment.api_key.get_secret_value())
    try:
        now = now_ms()
        found = await api.get("/api/signals", since=now - DAY_MS, limit=1_000)
        await bus.publish(Stream.ALERTS, [summary_of(day, found["items"], now)])
    except (httpx.HTTPError, RedisError, OSError) as error:
        log.warning("the daily summary has to wait", error=type(error).__name__)
        return False
    finally:
        await api.close()
    return True
