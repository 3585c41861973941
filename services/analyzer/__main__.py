"""Runs an analyzer: settings, bus, handler; start as many as there are cores."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Sequence

import structlog

from services.analyzer.domain.indicator import catalogue
from services.analyzer.handler import handle
from shared.bus import Commit, Delivery
from shared.contracts import Stream
from shared.kernels import plain_kernels
from shared.runtime.consumer import consume
from shared.runtime.process import run
from shared.runtime.service import Service
from shared.runtime.settings_follower import follow_settings, settings_arrived

GROUP = "analyzer"
BATCH = 16

log = structlog.get_logger()


async def main(service: Service) -> None:
    """Analyse snapshots until the service stops."""
    catalogue()  # imports every indicator, and with it the kernels
    if plain := plain_kernels():
        log.warning("kernels are not compiled: analyses take longer", kernels=len(plain))
    following = asyncio.ensure_future(follow_settings(service))
    try:
        if await settings_arrived(service):
            gc.freeze()  # what is here stays: the collector need not walk it again with every few hundred analyses
            await consume(service, GROUP, [Stream.SNAPSHOTS], lambda batch: answer(service, batch), count=BATCH)
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


async def answer(service: Service, batch: Sequence[Delivery]) -> Sequence[Commit | Exception]:
    """Analyse *batch* off the event loop, so that health checks are answered meanwhile."""
    return await asyncio.to_thread(handle, batch, service.settings.at, service.settings.record_at)


if __name__ == "__main__":
    run("analyzer", main)
