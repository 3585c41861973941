"""Publishes user settings, and the state in Postgres, on `settings`: at start, on change, when the bus lost them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import Any, Final

import msgspec
import structlog
from pydantic import SecretStr, ValidationError
from redis.exceptions import RedisError

from services.api import overrides
from services.api.store import user_settings
from services.api.store.database import Database, DatabaseAwayError
from services.api.store.recovery import state as recovery
from services.api.store.user_settings import UserSettings
from shared.bus import Bus
from shared.config.sealing import SealError, is_sealed, sealed, settings_from
from shared.contracts import MutesChanged, PriceAlertsChanged, SettingsChanged, StateRestored
from shared.runtime.service import Service
from shared.settings import RuntimeSettings

WATCH_SECONDS: Final = 2.0
MASK: Final = "********"
SECRETS: Final = frozenset({"url", "secret", "password", "headers", "heartbeat_url"})  #: names of secret settings

log = structlog.get_logger()


class SettingsPublisher:
    """The only writer of `settings`.

    Without Postgres the settings of config.yaml are published where the bus has none, so that the
    pipeline runs; everything else waits until it is known.
    """

    def __init__(
        self,
        service: Service,
        bus: Bus,
        database: Database,
        values: dict[str, Any],
        *,
        storing: asyncio.Lock,
        wanted: asyncio.Event,
        restore: asyncio.Event,
    ) -> None:
        self.service = service
        self.bus = bus
        self.database = database
        self.values = values  #: of config.yaml
        self.storing = storing
        self.set: UserSettings | None = None  #: None: not read from Postgres yet
        self.current: SettingsChanged | None = None  #: as last seen on, or put on, the bus
        self.refresh_requested = 0  #: wall clock, ms
        self._version = 0
        self._unsaved: list[SettingsChanged] = []
        self._wanted = wanted
        self._restore_wanted = restore
        self._publishing = asyncio.Lock()

    def wake(self) -> None:
        """Publish soon instead of at the next look."""
        self._wanted.set()

    async def run(self) -> None:
        """Look every two seconds, or when woken, until the service stops."""
        while not self.service.stopping.is_set():
            try:
                await self.publish()
            except (RedisError, OSError) as error:
                log.warning("settings cannot be published", error=str(error))
            except Exception as error:
                log.error("settings cannot be published", error=repr(error), exc_info=error)
            self._wanted.clear()
            try:
                async with asyncio.timeout(WATCH_SECONDS):
                    await self._wanted.wait()
            except TimeoutError:
                continue

    async def publish(self) -> None:
        """Publish everything that the bus lacks or holds in an older form."""
        async with self._publishing:
            held = {type(event): event for event in await self.bus.newest_settings()}
            try:
                self.set = await user_settings.load(self.database, _now())
            except DatabaseAwayError:
                log.debug("user settings are not known: no database")
            settings = held.get(SettingsChanged)
            await self._settings(self._opened(settings) if isinstance(settings, SettingsChanged) else None)
            if self.set is None:
                return
            alerts, mutes = held.get(PriceAlertsChanged), held.get(MutesChanged)
            if not isinstance(alerts, PriceAlertsChanged) or alerts.price_alerts != self.set.price_alerts:
                version = self._next(getattr(alerts, "version", 0))
                await self.bus.publish_settings(PriceAlertsChanged(version=version, price_alerts=self.set.price_alerts))
            if not isinstance(mutes, MutesChanged) or mutes.mutes != self.set.mutes:
                version = self._next(getattr(mutes, "version", 0))
                await self.bus.publish_settings(MutesChanged(version=version, mutes=self.set.mutes))
            if StateRestored not in held or self._restore_wanted.is_set():
                await self._restore()
            await self._save_versions()

    def settings(self) -> RuntimeSettings:
        """Return config.yaml with the overrides; those that this version refuses are left out."""
        try:
            return self.changed_by(self.set.changes if self.set else ())
        except ValueError as error:
            log.error("the overrides are not valid any more; config.yaml alone is used", error=str(error))
            return RuntimeSettings.model_validate(self.values)

    def changed_by(self, changes: Iterable[dict[str, Any]]) -> RuntimeSettings:
        """Return config.yaml with *changes* made in turn; raise `ValidationError` where they do not fit."""
        return RuntimeSettings.model_validate(overrides.apply(self.values, overrides.fold(changes)))

    async def _settings(self, held: SettingsChanged | None) -> None:
        if self.set is None and held is not None:
            self._take(held)
            return
        value = self.settings().dump()
        if held is not None and plain(held.value) == plain(value):
            self._take(held)
            return
        if self.current is not None and held is None and plain(self.current.value) == plain(value):
            event = self.current  # the bus lost it: the same settings keep their version
        else:
            event = SettingsChanged(version=self._next(held.version if held else 0), value=plain(value), at=_now())
        closed = sealed(RuntimeSettings.model_validate(value), self.service.environment.sealing_key)
        await self.bus.publish_settings(msgspec.structs.replace(event, value=plain(closed)))
        log.info("settings published", version=event.version, from_database=self.set is not None)
        self._take(event)

    def _opened(self, held: SettingsChanged) -> SettingsChanged:
        """Return *held* with its secrets in clear; settings that cannot be unsealed count as different."""
        key = self.service.environment.sealing_key
        try:
            opened = settings_from(held.value, key)
            if is_sealed(sealed(opened, key)) and not is_sealed(held.value):
                raise SealError("an earlier version sent them in clear")
            value = opened.dump()
        except (SealError, ValidationError) as error:
            log.warning("the settings on the bus cannot be opened; they are published anew", reason=str(error)[:200])
            return msgspec.structs.replace(held, value={})
        return msgspec.structs.replace(held, value=plain(value))

    def _take(self, event: SettingsChanged) -> None:
        if self.current is None or event.version != self.current.version:
            self._unsaved.append(event)
        self.current = event
        self._version = max(self._version, event.version)
        self.service.settings.take(event)

    def _next(self, held: int) -> int:
        """Return a version above all before, even those that a lost bus had: they grow with the clock."""
        self._version = max(int(time.time()), self._version + 1, held + 1)
        return self._version

    async def _restore(self) -> None:
        try:
            async with asyncio.timeout(1.0):  # the recorder holds it for as long as the database is away
                await self.storing.acquire()
        except TimeoutError:
            return
        try:  # every message that was read is stored now, so the state is complete
            state = await recovery.restored_state(self.database, self.settings(), self._next(0), _now())
        except DatabaseAwayError:
            return
        finally:
            self.storing.release()
        await self.bus.publish_settings(state)
        self._restore_wanted.clear()
        log.info("state restored", open_signals=len(state.open_signals), settled_scan=state.settled_scan)

    async def _save_versions(self) -> None:
        try:
            while self._unsaved:
                event = self._unsaved[0]
                await user_settings.save_version(self.database, event.version, event.at, masked(event.value))
                self._unsaved.pop(0)
        except DatabaseAwayError:
            return


def plain(value: Any) -> Any:
    """Return *value* as it comes back from the wire: tuples are lists there."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


def masked(value: dict[str, Any]) -> dict[str, Any]:
    """Return settings with their secrets masked."""
    return _mask(RuntimeSettings.model_validate(value).model_dump(mode="python"))  # type: ignore[no-any-return]


def _mask(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return MASK if value.get_secret_value() else ""
    if isinstance(value, dict):
        return {key: _mask(item) for key, item in value.items()}
    return [_mask(item) for item in value] if isinstance(value, list | tuple) else value


def unmasked(patch: dict[str, Any]) -> dict[str, Any]:
    """Return *patch* without masked values, which mean 'unchanged'."""
    return {key: unmasked(item) if isinstance(item, dict) else item for key, item in patch.items() if item != MASK}


def mask_patch(patch: dict[str, Any]) -> dict[str, Any]:
    """Return *patch* with possible secrets masked."""
    return {
        key: mask_patch(item) if isinstance(item, dict) else MASK if key in SECRETS and item else item
        for key, item in patch.items()
    }


def _now() -> int:
    return time.time_ns() // 1_000_000
