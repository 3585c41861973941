"""The fetcher's process: one is active under the lease, the others stand by."""

from __future__ import annotations

import asyncio

from services.fetcher.fetcher import Fetcher
from services.fetcher.journal import NAME
from shared.bus import Lease, RedisBus
from shared.service import Service, lead, run


async def main(service: Service) -> None:
    """Follow the settings; fetch whenever this process is the active one."""
    bus = service.bus
    assert isinstance(bus, RedisBus), "the ledger lives in Redis"  # noqa: S101
    following = asyncio.ensure_future(service.follow_settings())

    async def work(lease: Lease) -> None:
        await Fetcher(service, bus, lease).run()

    if await service.settings_arrived():
        await lead(service, work)
    following.cancel()


if __name__ == "__main__":
    run(NAME, main)
