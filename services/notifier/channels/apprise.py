"""Everything else: any address that Apprise understands."""

from __future__ import annotations

import asyncio
import logging
import tempfile
from pathlib import Path

from services.notifier.channels.outcome import Outgoing, Rejected
from shared.destinations import AppriseDestination


async def send(outgoing: Outgoing, destination: AppriseDestination) -> str:
    """Tell through Apprise; why it failed is read off the requests that it made."""
    limit = outgoing.settings.delivery.timeout_seconds
    await asyncio.to_thread(_notify, outgoing, destination, outgoing.card(), limit)
    return ""


def _notify(outgoing: Outgoing, destination: AppriseDestination, card: bytes | None, limit: float) -> None:
    import apprise  # noqa: PLC0415 - 100 ms and 20 MB: only where it is used

    from services.notifier.channels.watch import watched  # noqa: PLC0415 - it needs `requests`, which Apprise brings

    logging.getLogger("apprise").disabled = True  # it would log addresses, and they are secrets
    services = apprise.Apprise(asset=apprise.AppriseAsset(http_redirects=False))
    if not services.add(destination.url.get_secret_value()):
        raise Rejected("bad address", "Apprise does not know this kind of address")
    for service in services:
        service.socket_connect_timeout, service.socket_read_timeout = min(5.0, limit), limit
    with tempfile.TemporaryDirectory() as folder, watched(destination.allow) as watch:
        picture = Path(folder, "card.png")
        if card:
            picture.write_bytes(card)
        told = services.notify(
            title=outgoing.text.title,
            body="\n".join(outgoing.text.lines),
            body_format=apprise.NotifyFormat.TEXT,
            attach=str(picture) if card else None,
        )
    if not told:
        raise watch.outcome()
