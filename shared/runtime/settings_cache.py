"""The newest settings, price alerts and mutes that the API has published, and the settings of recent versions."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

from pydantic import ValidationError

from shared.config.sealing import SealError, settings_from
from shared.contracts import (
    NO_RECORD,
    MutesChanged,
    PriceAlertsChanged,
    RecordChanged,
    RefreshRequested,
    SettingsChanged,
    SettingsEvent,
    StateRestored,
)
from shared.settings import RuntimeSettings

KEPT_VERSIONS: Final = 16  #: of the settings


class SettingsCache:
    """The newest of what the API has published, and the settings of recent versions."""

    def __init__(self, key: Callable[[], str] = str) -> None:
        self._key = key  #: unseals the secrets among the settings; empty: they are left out
        self.version = -1
        self.settings = RuntimeSettings()
        self.price_alerts = PriceAlertsChanged(version=-1, price_alerts=())
        self.mutes = MutesChanged(version=-1, mutes=())
        self.restored: StateRestored | None = None
        self.refresh = RefreshRequested(version=-1, at=0)
        self.arrived = asyncio.Event()
        self._versions: dict[int, RuntimeSettings] = {}
        self._records: dict[int, RecordChanged] = {}

    def take(self, event: SettingsEvent) -> bool:
        """Keep *event* if it is newer than what is held; return whether it was."""
        match event:
            case SettingsChanged() if event.version > self.version:
                self.settings, self.version = settings_from(event.value, self._key()), event.version
                self._remember(self.version, self.settings)
                self.arrived.set()
            case PriceAlertsChanged() if event.version > self.price_alerts.version:
                self.price_alerts = event
            case MutesChanged() if event.version > self.mutes.version:
                self.mutes = event
            case StateRestored() if self.restored is None or event.version > self.restored.version:
                self.restored = event
            case RefreshRequested() if event.version > self.refresh.version:
                self.refresh = event
            case RecordChanged() if event.version not in self._records:
                self._keep(event)
            case _:
                return False
        return True

    def recall(self, event: SettingsChanged | RecordChanged) -> None:
        """Keep *event* as an earlier version; one that this program refuses is ignored."""
        if isinstance(event, RecordChanged):
            self._keep(event)
            return
        with contextlib.suppress(ValidationError, SealError):
            self._remember(event.version, settings_from(event.value, self._key()))

    def known(self, version: int) -> int:
        """Return *version*, or the newest where it is not known."""
        return version if version in self._versions else self.version

    def at(self, version: int) -> RuntimeSettings:
        """Return the settings of `known(version)`."""
        return self._versions.get(version, self.settings)

    def record_for(self, scan_id: int) -> RecordChanged:
        """Return the newest record that counts for the scan."""
        counting = (record for record in self._records.values() if record.since <= scan_id)
        return max(counting, key=lambda record: record.version, default=NO_RECORD)

    def record_at(self, version: int) -> RecordChanged:
        """Return the record of *version*, the empty one where it is not known."""
        return self._records.get(version, NO_RECORD)

    def _keep(self, record: RecordChanged) -> None:
        self._records[record.version] = record
        for old in sorted(self._records)[:-KEPT_VERSIONS]:
            del self._records[old]

    def _remember(self, version: int, settings: RuntimeSettings) -> None:
        self._versions[version] = settings
        for old in sorted(self._versions)[:-KEPT_VERSIONS]:
            del self._versions[old]
