"""A dead man's switch: an outside address is called regularly, so that the lack of calls raises an alarm there."""

from __future__ import annotations

from typing import Final

import httpx
import structlog

from shared.network.addresses import Forbidden, resolve
from shared.network.authorities import trusted
from shared.network.proxies import ProxyError, proxy_for
from shared.runtime.service import Service

LOOK_SECONDS: Final = 5.0  #: the longest wait until a new address is called
LONGEST_CALL: Final = 10.0  #: seconds

log = structlog.get_logger()


async def send_heartbeats(service: Service) -> None:
    """Call the address while this process makes progress as the active one.

    A failure is only logged, without the address, which may be secret.
    """
    while not service.stopping.is_set():
        settings = service.settings.settings
        url = settings.heartbeat_url.get_secret_value()
        healthy, details = service.health()
        if url and healthy and not details["waiting_for"]:
            try:
                await _call(url, settings.heartbeat_allow)
            except (httpx.HTTPError, OSError, Forbidden, ProxyError) as error:
                log.warning("the heartbeat did not arrive", error=type(error).__name__)
        await service.pause(settings.heartbeat_seconds if url else LOOK_SECONDS)


async def _call(url: str, allow: tuple[str, ...]) -> None:
    """Call *url* at the address that was checked, through the proxy if there is one; raise for any bad answer."""
    proxy, target = proxy_for(url), await resolve(url, allow)
    async with httpx.AsyncClient(timeout=LONGEST_CALL, trust_env=False, proxy=proxy, verify=trusted()) as client:
        answer = await client.get(
            target.url, headers={"Host": target.host_header}, extensions={"sni_hostname": target.host}
        )
    answer.raise_for_status()
