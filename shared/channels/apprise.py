"""Apprise: any other service, by the address that Apprise understands."""

from __future__ import annotations

import asyncio
import logging
import tempfile
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

from pydantic import SecretStr, model_validator

from shared.network import addresses
from shared.sending.channel import Channel, ChannelLimits, Outgoing, SendContext
from shared.sending.destination import DestinationBase, Network
from shared.sending.results import Rejected


class AppriseDestination(DestinationBase):
    channel: Literal["apprise"]
    url: SecretStr
    allow: tuple[Network, ...] = ()  #: networks of the LAN that may be called

    @model_validator(mode="after")
    def _may_be_called(self) -> AppriseDestination:
        """Refuse a forbidden literal address; names are resolved and checked when they are called.

        A number alone may be a bot's or a phone's; as an address it is refused when it is called.
        """
        parts = urlsplit(self.url.get_secret_value())
        if not parts.scheme:
            raise ValueError("url: an Apprise address begins with the service's name and ://")
        host = parts.hostname or ""
        address = None if host.isdecimal() else addresses.literal(host)
        if address is not None and not addresses.permitted(address, self.allow):
            raise ValueError(f"url: {address} is not public and not allowed")
        return self


async def send(outgoing: Outgoing, destination: AppriseDestination, context: SendContext) -> str:
    """Send through Apprise; the requests that it made show why it failed."""
    await asyncio.to_thread(_notify, outgoing, destination, outgoing.card(), outgoing.timeout)
    return ""


def _notify(outgoing: Outgoing, destination: AppriseDestination, card: bytes | None, limit: float) -> None:
    import apprise  # noqa: PLC0415 - 100 ms and 20 MB: only where it is used

    from shared.sending.requests_guard import guarded  # noqa: PLC0415 - it needs `requests`, which Apprise brings

    logging.getLogger("apprise").disabled = True  # it would log addresses, and they are secrets
    services = apprise.Apprise(asset=apprise.AppriseAsset(http_redirects=False))
    if not services.add(destination.url.get_secret_value()):
        raise Rejected("bad address", "Apprise does not know this kind of address")
    for service in services:
        service.socket_connect_timeout, service.socket_read_timeout = min(5.0, limit), limit
    with tempfile.TemporaryDirectory() as folder, guarded(destination.allow) as requests:
        picture = Path(folder, "card.png")
        if card:
            picture.write_bytes(card)
        taken = services.notify(
            title=outgoing.text.title,
            body="\n".join(outgoing.text.lines),
            body_format=apprise.NotifyFormat.TEXT,
            attach=str(picture) if card else None,
        )
    if not taken:
        raise requests.outcome()


ENTRY: Final = Channel(
    name="apprise",
    title="Apprise",
    settings=AppriseDestination,
    send=send,
    tells_departure=True,
    limits=ChannelLimits(pace="as the service asks for"),
    examples={"other": {"channel": "apprise", "url": "pover://user@token"}},
    summary=(
        "Anything that Apprise knows. It says only yes or no; why it was a no is read off the HTTP requests that "
        "it made, so that it is tried again, rejected or suspended like a webhook. Where nothing can be read off "
        "(a service that is not spoken to by HTTP) it is `unknown`. Addresses that are not public are refused as "
        "for webhooks; redirects are not followed; its logs are silent, for they would name the address."
    ),
)
