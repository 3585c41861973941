"""Scan after scan in order of time, all coins at once: gates, ranking, groups, persistence, cooldowns, lifecycles.

What settles a scan is the gatekeeper's own function.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from services.gatekeeper.domain.settle import settle
from services.gatekeeper.domain.state import State
from shared.contracts import Analysis, Decision, LifecycleBody, ScanOpened
from shared.gate import Appearance
from shared.gates import GATES
from shared.settings import RuntimeSettings

SETTINGS_VERSION: Final = 1
ENDS: Final = frozenset({"target", "stop", "invalidated", "expired"})
GOES_ON: Final = 1_000_000  #: scans: a streak long enough for any gate that looks back


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


def refusals(analysis: Analysis, settings: RuntimeSettings) -> int:
    """Return how many gates refuse *analysis*, counted up to two: with more than one nothing can come of it.

    A gate that looks back is taken to pass: whether it does is known when the scans are settled in order.
    """
    if analysis.problem:
        return 2
    limits = settings.thresholds_for(analysis.symbol)
    row = Appearance(side=analysis.side, scan_id=analysis.scan_id, length=GOES_ON)
    refused = 0
    for gate in GATES.values():
        if not gate.looks_back and not gate.verdict(analysis, limits, row).passed:
            refused += 1
            if refused > 1:
                break
    return refused


def reduce(
    scans: Iterable[int],
    analyses_of: Callable[[int], Mapping[str, Analysis]],
    settings: RuntimeSettings,
    *,
    market: str,
    degraded: Mapping[int, str],
) -> Iterator[ScanResult]:
    """Yield the results of each of *scans*, which are in order of time; skipped scans have none."""
    reducer = Reducer(market, settings)
    for scan_id in scans:
        analyses = analyses_of(scan_id)
        if analyses or reducer.state.signals:
            yield reducer.settle(scan_id, analyses, degraded.get(scan_id, ""))
