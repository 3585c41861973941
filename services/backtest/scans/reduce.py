"""Scan after scan in order of time: gates, ranking, groups, persistence, cooldowns, lifecycles.

What settles a scan is the gatekeeper's own function.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from services.gatekeeper.domain.settle import settle
from services.gatekeeper.domain.state import State
from shared.contracts import Analysis, Decision, LifecycleBody, ScanOpened
from shared.settings import RuntimeSettings

SETTINGS_VERSION: Final = 1
ENDS: Final = frozenset({"target", "stop", "invalidated", "expired"})


@dataclass(frozen=True)
class ScanResult:
    """The results of one scan."""

    scan_id: int
    decisions: list[Decision]
    ends: list[LifecycleBody]  #: of signals


class Reducer:
    """The gatekeeper's state, one scan after another."""

    def __init__(self, market: str, settings: RuntimeSettings) -> None:
        self.state = State()
        self._market, self._settings = market, settings

    def settle(self, scan_id: int, analyses: Mapping[str, Analysis], degraded: str = "") -> ScanResult:
        """Return the results of the scan with *analyses*; *degraded* says why it may open no signal."""
        scan = ScanOpened(
            scan_id=scan_id,
            symbols=tuple(analyses),
            settings_version=SETTINGS_VERSION,
            opened_at=scan_id,
            degraded=degraded,
        )
        settled = settle(
            self.state,
            scan,
            analyses,
            self._settings,
            market=self._market,
            settings_version=SETTINGS_VERSION,
            inhibited=degraded,
            now=scan_id,
        )
        self.state = settled.state
        bodies = [alert.body for alert in settled.alerts]
        ends = [body for body in bodies if isinstance(body, LifecycleBody) and body.event in ENDS]
        return ScanResult(scan_id, settled.decisions, ends)
