"""The reports that this process made in the last minutes: a failover of the bus may take them back."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from shared.contracts import Alert, DeliveryReport

KEPT_SECONDS: Final = 300.0  #: longer than any failover takes
MOST: Final = 1_000  #: reports that are kept


@dataclass(frozen=True)
class RecentReport:
    """One report as it was published."""

    report: DeliveryReport
    alerts: tuple[Alert, ...]  #: published with it
    taken: tuple[str, ...]  #: recipients that have the message while others are tried again
    at: float  #: monotonic, s

    def is_missing(self, attempt: int, *, is_open: bool) -> bool:
        """Return whether the bus, which knows *attempt* as the delivery's last one, lacks this report.

        A delivery that a user has asked for again keeps its attempt's number, closed.
        """
        return attempt < self.report.attempt or (is_open and attempt == self.report.attempt)


class RecentReports:
    """The newest report of each delivery, oldest first."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._kept: dict[tuple[str, str], RecentReport] = {}  #: by alert and destination

    def keep(self, report: DeliveryReport, alerts: tuple[Alert, ...], taken: tuple[str, ...]) -> None:
        """Keep *report*, which is on the bus; those that are too old or too many go."""
        key, now = (report.alert_id, report.destination), self._now()
        self._kept.pop(key, None)
        self._kept[key] = RecentReport(report, alerts, taken, now)
        for old, kept in list(self._kept.items()):
            if len(self._kept) <= MOST and now - kept.at <= KEPT_SECONDS:
                break
            del self._kept[old]

    def of(self, alert_id: str, destination: str) -> RecentReport | None:
        """Return the newest report of this delivery."""
        return self._kept.get((alert_id, destination))

    def all(self) -> list[RecentReport]:
        """Return all, oldest first."""
        return list(self._kept.values())
