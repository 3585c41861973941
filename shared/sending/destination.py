"""The settings that all destinations share, and the checks of their addresses."""

from __future__ import annotations

import re
from collections.abc import Sequence
from email.utils import parseaddr
from ipaddress import ip_network
from typing import Annotated, Final

from pydantic import AfterValidator, SecretStr, model_validator

from shared.config.sections import QuietHours, Section
from shared.network import addresses

LONGEST_NAME: Final = 64


def _network(text: str) -> str:
    ip_network(text, strict=False)
    return text


def header_text(text: str, name: str = "") -> str:
    """Return *text*; refuse line breaks, which could begin another header, and characters outside ASCII."""
    if "\r" in text or "\n" in text:
        raise ValueError("a line break in a header")
    if not text.isascii() or not text.isprintable():
        which = f" {name}" if name else ""
        raise ValueError(f"header{which}: only printable ASCII can be sent; put the text into the body by a template")
    return text


def _header_name(text: str) -> str:
    if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", header_text(text, repr(text))):
        raise ValueError(f"{text!r} is not a header's name")
    return text


def _mail_address(text: str) -> str:
    if "\r" in text or "\n" in text:
        raise ValueError("a line break in a header")
    if "@" not in parseaddr(text)[1]:
        raise ValueError(f"{text!r} is not an address such as me@example.org")
    return text


def _destination_name(name: str) -> str:
    """Return *name*; refuse characters that could forge a line of a log or of a message."""
    if not name or not name.isprintable() or len(name) > LONGEST_NAME:
        raise ValueError(f"a destination's name has 1 to {LONGEST_NAME} printable characters and no line breaks")
    return name


DestinationName = Annotated[str, AfterValidator(_destination_name)]
Network = Annotated[str, AfterValidator(_network)]
HeaderText = Annotated[str, AfterValidator(header_text)]
HeaderName = Annotated[str, AfterValidator(_header_name)]
MailAddress = Annotated[str, AfterValidator(_mail_address)]


def may_be_called(url: str, allow: Sequence[str], *, name: str = "url") -> None:
    """Refuse an address that is not public and in no network of *allow*; raise `ValueError`."""
    try:
        addresses.check(url, allow)
    except addresses.Forbidden as error:
        raise ValueError(f"{name}: {error}") from error


class DestinationBase(Section):
    """The settings of every destination."""

    channel: str  #: each channel's settings narrow it to its own name
    muted: bool = False
    quiet_hours: QuietHours | None = None


class WebDestination(DestinationBase):
    """A destination with a user-given address: it must be public, or in a network of *allow*."""

    url: SecretStr
    allow: tuple[Network, ...] = ()  #: networks of the LAN that may be called

    @model_validator(mode="after")
    def _may_be_called(self) -> WebDestination:
        may_be_called(self.url.get_secret_value(), self.allow)
        return self
