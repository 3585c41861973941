"""The loop of a leased stage: load the state from the bus, work in turns, reload when another holder has changed it."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, Generic

import structlog
from redis.exceptions import RedisError

from shared.bus import Lease
from shared.contracts import StateRestored
from shared.runtime.leader import lead
from shared.runtime.service import Service
from shared.runtime.settings_follower import follow_settings, settings_arrived
from shared.runtime.stage.state_store import StaleStateError, State, StateStore

WAITING: Final = "state from the API"

log = structlog.get_logger()


async def run_leased(
    service: Service, work: Callable[[Lease], Awaitable[None]], *beside: Coroutine[Any, Any, None]
) -> None:
    """Follow the settings, and *work* whenever this process holds the lease, until the service stops."""
    tasks = [asyncio.ensure_future(task) for task in (follow_settings(service), *beside)]
    try:
        if await settings_arrived(service):
            await lead(service, work)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class LeasedLoop(ABC, Generic[State]):
    """One holder of the lease, from taking it to losing it."""

    def __init__(self, service: Service, store: StateStore[State]) -> None:
        self.service = service
        self.store = store

    @property
    def state(self) -> State:
        """The state of the last commit."""
        return self.store.state

    async def work(self) -> None:
        """Work until the lease is lost or the service stops."""
        while not self.service.stopping.is_set():
            try:
                await self._begin()
                while not self.service.stopping.is_set():
                    await self._turn()
            except StaleStateError:
                log.info("the state has moved: beginning anew")
            except (RedisError, OSError) as error:
                log.warning("the bus does not answer", error=str(error))
                await self.service.pause(0.5)

    async def _load(self) -> bool:
        """Load the state, on an empty bus from Postgres; return False when the service stops before."""
        while not await self.store.load():
            if self.service.stopping.is_set():
                return False
            known = await self.service.bus.newest_setting(StateRestored)
            if known is not None:
                await self._restore(known)
                continue
            if self.service.waiting_for != WAITING:
                log.warning("no scan settles yet", waiting_for="the API, which reads the open signals from Postgres")
            self.service.beat(WAITING)
            await self.service.pause(0.2)
        return True

    @abstractmethod
    async def _begin(self) -> None:
        """Load the state and the uncommitted messages."""

    @abstractmethod
    async def _restore(self, known: StateRestored) -> None:
        """Put the state in *known* on an empty bus."""

    @abstractmethod
    async def _turn(self) -> None:
        """Read once and handle everything that is ready."""
