"""Everything else: any address that Apprise understands."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from services.notifier.channels.outcome import Ambiguous, Outgoing, Rejected
from shared.settings import AppriseDestination


async def send(outgoing: Outgoing, destination: AppriseDestination) -> str:
    """Tell through Apprise; it says only yes or no, so a no is `unknown` rather than tried again."""
    told = await asyncio.to_thread(_notify, outgoing, destination.url.get_secret_value(), outgoing.card())
    if not told:
        raise Ambiguous("apprise failed", "the service did not say why")
    return ""


def _notify(outgoing: Outgoing, url: str, card: bytes | None) -> bool:
    import apprise  # noqa: PLC0415 - 100 ms and 20 MB: only where it is used

    service = apprise.Apprise()
    if not service.add(url):
        raise Rejected("bad address", "Apprise does not know this kind of address")
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder, "card.png")
        if card:
            picture.write_bytes(card)
        return bool(
            service.notify(
                title=outgoing.text.title,
                body="\n".join(outgoing.text.lines),
                body_format=apprise.NotifyFormat.TEXT,
                attach=str(picture) if card else None,
            )
        )
