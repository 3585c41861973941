"""Keeps a service's settings at what the API has published last."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

import structlog
from pydantic import ValidationError
from redis.exceptions import RedisError

from shared.config.sealing import SealError
from shared.contracts import RecordChanged, SettingsChanged, SettingsEvent, Stream
from shared.runtime.service import Service
from shared.settings import explain

log = structlog.get_logger()


async def follow_settings(service: Service, changed: Callable[[SettingsEvent], None] | None = None) -> None:
    """Keep `service.settings` newest until the service stops; call *changed* with each event."""
    after, recalled = "0-0", False
    while not service.stopping.is_set():
        try:
            if not recalled:
                await _recall(service)
                recalled = True
            # the position is taken before the newest values are read, so that none falls between
            after = await service.bus.last_id(Stream.SETTINGS)
            for event in await service.bus.newest_settings():
                _take(service, event, changed)
            after = await _tail(service, after, changed)
        except (RedisError, OSError) as error:
            log.warning("settings cannot be read", error=str(error))
            await service.pause(1.0)


async def _recall(service: Service) -> None:
    """Learn the earlier versions, before the newest: a scan that is under way may name one of them."""
    for _, _, event in await service.bus.tail({Stream.SETTINGS: "0-0"}, count=1_024, block_ms=1):
        if isinstance(event, SettingsChanged | RecordChanged):
            service.settings.recall(event)


async def _tail(service: Service, after: str, changed: Callable[[SettingsEvent], None] | None) -> str:
    """Follow the stream; return now and then, so that an emptied bus is noticed."""
    for _ in range(5):
        if service.stopping.is_set():
            break
        for _, entry_id, event in await service.bus.tail({Stream.SETTINGS: after}):
            after = entry_id
            _take(service, event, changed)  # type: ignore[arg-type]
    return after


def _take(service: Service, event: SettingsEvent, changed: Callable[[SettingsEvent], None] | None) -> None:
    try:
        news = service.settings.take(event)
    except (ValidationError, SealError) as error:
        mistakes = explain(error) if isinstance(error, ValidationError) else [str(error)]
        log.error("settings were refused, the old ones stand", version=event.version, mistakes=mistakes)
        return
    if news and changed is not None:
        changed(event)


async def settings_arrived(service: Service) -> bool:
    """Wait for the first settings; return False when the service stops before."""
    while not service.settings.arrived.is_set() and not service.stopping.is_set():
        service.beat("settings from the API")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                await service.settings.arrived.wait()
    return not service.stopping.is_set()
