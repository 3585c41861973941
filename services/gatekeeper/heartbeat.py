"""The dead man's heartbeat: an outside address is called now and then, so that somebody notices when nobody calls."""

from __future__ import annotations

from typing import Final

import httpx
import structlog

from shared.addresses import Forbidden, resolve
from shared.service import Service

LOOK_SECONDS: Final = 5.0  #: how soon an address that was just set is called
LONGEST_CALL: Final = 10.0  #: seconds

log = structlog.get_logger()


async def send_heartbeats(service: Service) -> None:
    """Call the address while this process makes progress as the active one.

    A failure is logged without the address, which may be secret, and changes nothing else.
    """
    async with httpx.AsyncClient(timeout=LONGEST_CALL, follow_redirects=False, trust_env=False) as client:
        while not service.stopping.is_set():
            settings = service.settings.settings
            url = settings.heartbeat_url.get_secret_value()
            healthy, details = service.health()
            if url and healthy and not details["waiting_for"]:
                try:
                    await _call(client, url, settings.heartbeat_allow)
                except (httpx.HTTPError, OSError, Forbidden) as error:
                    log.warning("the heartbeat did not arrive", error=type(error).__name__)
            await service.pause(settings.heartbeat_seconds if url else LOOK_SECONDS)


async def _call(client: httpx.AsyncClient, url: str, allow: tuple[str, ...]) -> None:
    """Call *url* at the address that was checked; raise for any answer but a good one."""
    target = await resolve(url, allow)
    answer = await client.get(
        target.url, headers={"Host": target.host_header}, extensions={"sni_hostname": target.host}
    )
    answer.raise_for_status()
