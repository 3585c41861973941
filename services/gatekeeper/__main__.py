"""Wire the gatekeeper: the lease, the keeper under it, the heartbeat to an outside address."""

from __future__ import annotations

import asyncio

from services.gatekeeper.heartbeat import send_heartbeats
from services.gatekeeper.keeper import Keeper
from services.gatekeeper.memory import NAME
from shared.bus import Lease
from shared.service import Service, lead, run


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


if __name__ == "__main__":
    run(NAME, main)
