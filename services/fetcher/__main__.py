"""The fetcher's process: one is active under the lease, the others stand by."""

from __future__ import annotations

import asyncio

from services.fetcher.app import Fetcher, UnknownExchangeError, exchange_of
from services.fetcher.scan.leader_state import NAME
from services.fetcher.scan.sent_scans import SentScans
from shared.bus import Lease
from shared.network.proxies import ProxyError, proxy_for
from shared.runtime.leader import lead
from shared.runtime.process import run
from shared.runtime.service import Service
from shared.runtime.settings_follower import follow_settings, settings_arrived


async def main(service: Service) -> None:
    """Follow the settings; fetch whenever this process is the active one."""
    try:
        connect = exchange_of(service.environment.market)
        for url in (service.environment.binance_rest_url, service.environment.binance_ws_url):
            proxy_for(url)
    except (UnknownExchangeError, ProxyError) as error:
        raise SystemExit(f"sevengate: {error}") from None
    sent = SentScans()
    following = asyncio.ensure_future(follow_settings(service))

    async def work(lease: Lease) -> None:
        await Fetcher(service, service.bus, lease, connect, sent).run()

    if await settings_arrived(service):
        await lead(service, work)
    following.cancel()


if __name__ == "__main__":
    run(NAME, main)
