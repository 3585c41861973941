"""A user's request for newer data: fetches at once what is late, and what is due soon."""

from __future__ import annotations

import time
from typing import Final

import msgspec
import structlog

from services.fetcher.exchange import BlockedError, ExchangeError
from services.fetcher.feed.derivatives_sweep import DerivativesSweep
from services.fetcher.feed.poller import Poller
from services.fetcher.scan.leader_state import LeaderState
from shared.contracts import RefreshRequested
from shared.reports import REFRESHED, RefreshDone
from shared.runtime.service import Service

LOOK_S: Final = 0.25  #: between two looks for a request
LAPSED_MS: Final = 60_000  #: wall clock; an older request is not followed any more

log = structlog.get_logger()


class Refresher:
    """Follows `RefreshRequested`: the newest one counts, so those that come meanwhile are one."""

    def __init__(self, service: Service, state: LeaderState, poller: Poller, sweep: DerivativesSweep) -> None:
        self._service = service
        self._state = state
        self._poller, self._sweep = poller, sweep
        self._seen = -1  #: version of the newest request that was handled

    async def follow(self) -> None:
        """Handle the newest request, and note its result in the state."""
        request = self._service.settings.refresh
        if request.version <= self._seen:
            await self._service.pause(LOOK_S)
            return
        self._seen = request.version
        if time.time() * 1_000 - request.at < LAPSED_MS:
            done = await self._refresh(request)
            log.info("refreshed", polled=done.polled, coins=done.coins, problem=done.problem)
            await self._state.commit({REFRESHED: msgspec.json.encode(done)})

    async def _refresh(self, request: RefreshRequested) -> RefreshDone:
        polled: list[str] = []
        coins, problem = 0, ""
        try:
            polled = await self._poller.poll_late()
            coins = await self._sweep.bring_forward()
        except (ExchangeError, BlockedError) as error:
            problem = str(error)
        at = time.time_ns() // 1_000_000
        return RefreshDone(version=request.version, at=at, polled=tuple(polled), coins=coins, problem=problem)
