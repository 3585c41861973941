"""Writes the used request weight into the fetcher's state, where the API reads it."""

from __future__ import annotations

import time
from typing import Final

import msgspec

from services.fetcher.exchange import Budget
from services.fetcher.scan.leader_state import LeaderState
from shared.reports import WEIGHT, WeightUsed
from shared.runtime.service import Service

EVERY_S: Final = 5.0


class WeightReport:
    """Writes what the budget counts."""

    def __init__(self, service: Service, state: LeaderState, budget: Budget) -> None:
        self._service = service
        self._state = state
        self._budget = budget

    async def follow(self) -> None:
        """Write the count of this minute, then wait for the next time."""
        now = time.time_ns() // 1_000_000
        report = WeightUsed(used=self._budget.used, limit=self._budget.limit, at=now)
        await self._state.commit({WEIGHT: msgspec.json.encode(report)})
        await self._service.pause(EVERY_S)
