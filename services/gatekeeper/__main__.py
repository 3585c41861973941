"""Wire the gatekeeper: the lease, the keeper under it, the heartbeat to an outside address."""

from __future__ import annotations

import asyncio

import httpx
import structlog

from services.gatekeeper.keeper import NAME, Keeper
from shared.bus import Lease
from shared.service import Service, lead, run

log = structlog.get_logger()


async def main(service: Service) -> None:
    """Run until the service stops."""
    following = asyncio.ensure_future(service.follow_settings())
    beating = asyncio.ensure_future(send_heartbeats(service))
    try:
        if await service.settings_arrived():
            await lead(service, lambda lease: _work(service, lease))
    finally:
        for task in (following, beating):
            task.cancel()
        await asyncio.gather(following, beating, return_exceptions=True)


async def _work(service: Service, lease: Lease) -> None:
    await Keeper(service, lease).work()


async def send_heartbeats(service: Service) -> None:
    """Call the dead man's address now and then, so that somebody notices when nobody calls.

    Only while this process makes progress; a failure is logged without the address, which may be secret.
    """
    async with httpx.AsyncClient(timeout=10.0) as client:
        while not service.stopping.is_set():
            settings = service.settings.settings
            url = settings.heartbeat_url.get_secret_value()
            healthy, details = service.health()
            if url and healthy and not details["waiting_for"]:
                try:
                    (await client.get(url)).raise_for_status()
                except httpx.HTTPError as error:
                    log.warning("the heartbeat did not arrive", error=type(error).__name__)
            await service.pause(settings.heartbeat_seconds if url else 5.0)


if __name__ == "__main__":
    run(NAME, main)
