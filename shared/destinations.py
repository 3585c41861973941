"""Where alerts can be sent, and what makes a destination valid."""

from __future__ import annotations

import re
from collections.abc import Sequence
from email.utils import parseaddr
from ipaddress import ip_network
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator

from shared import addresses
from shared.sections import QuietHours, Section


def _network(text: str) -> str:
    ip_network(text, strict=False)
    return text


def _one_line(text: str) -> str:
    """Return *text*; refuse a line break, behind which another header could stand."""
    if "\r" in text or "\n" in text:
        raise ValueError("a line break in a header")
    return text


def _mail_address(text: str) -> str:
    if "@" not in parseaddr(_one_line(text))[1]:
        raise ValueError(f"{text!r} is not an address such as me@example.org")
    return text


def _chat_id(text: str) -> str:
    if not re.fullmatch(r"-?\d+|@\w+", text, re.ASCII):
        raise ValueError(f"{text!r} is not a chat's id such as 123456789, which the bot tells in answer to /start")
    return text


Network = Annotated[str, AfterValidator(_network)]
HeaderText = Annotated[str, AfterValidator(_one_line)]
MailAddress = Annotated[str, AfterValidator(_mail_address)]


def may_be_called(url: str, allow: Sequence[str], *, name: str = "url") -> None:
    """Refuse an address that is not public and in no network of *allow*; raise `ValueError`."""
    try:
        addresses.check(url, allow)
    except addresses.Forbidden as error:
        raise ValueError(f"{name}: {error}") from error


class DestinationBase(Section):
    """What every destination has."""

    muted: bool = False
    quiet_hours: QuietHours | None = None


class TelegramDestination(DestinationBase):
    channel: Literal["telegram"]
    chat_id: Annotated[str, Field(coerce_numbers_to_str=True), AfterValidator(_chat_id)]
    topic_id: int | None = None


class WebDestination(DestinationBase):
    """A destination with a person's address: it must be public, or in a network of *allow*."""

    url: SecretStr
    allow: tuple[Network, ...] = ()  #: networks of the LAN that may be called

    @model_validator(mode="after")
    def _may_be_called(self) -> WebDestination:
        may_be_called(self.url.get_secret_value(), self.allow)
        return self


class DiscordDestination(WebDestination):
    channel: Literal["discord"]


class EmailDestination(DestinationBase):
    channel: Literal["email"]
    host: str
    port: int = Field(default=587, ge=1, le=65535)
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: str = ""
    password: SecretStr = SecretStr("")
    sender: MailAddress
    to: tuple[MailAddress, ...] = Field(min_length=1)
    ca_file: str = ""


class WebhookDestination(WebDestination):
    channel: Literal["webhook"]
    secret: SecretStr = SecretStr("")  #: Standard Webhooks: whsec_…; empty: not signed
    template: str = ""  #: Jinja template of the body
    content_type: HeaderText = "application/json"
    headers: dict[HeaderText, SecretStr] = {}  #: an Authorization is as secret as the address

    @field_validator("template")
    @classmethod
    def _parses(cls, template: str) -> str:
        if template:
            from jinja2 import TemplateSyntaxError  # noqa: PLC0415 - 40 ms: only where there is a template
            from jinja2.sandbox import SandboxedEnvironment  # noqa: PLC0415

            try:
                SandboxedEnvironment().parse(template)
            except TemplateSyntaxError as error:
                raise ValueError(f"line {error.lineno} of the template: {error.message}") from error
        return template

    @field_validator("headers")
    @classmethod
    def _are_one_line(cls, headers: dict[str, SecretStr]) -> dict[str, SecretStr]:
        for value in headers.values():
            _one_line(value.get_secret_value())
        return headers


class AppriseDestination(DestinationBase):
    channel: Literal["apprise"]
    url: SecretStr
    allow: tuple[Network, ...] = ()  #: networks of the LAN that may be called

    @model_validator(mode="after")
    def _may_be_called(self) -> AppriseDestination:
        """Refuse a literal address; only a call tells where a name leads, and whether it is one at all.

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


Destination = Annotated[
    TelegramDestination | DiscordDestination | EmailDestination | WebhookDestination | AppriseDestination,
    Field(discriminator="channel"),
]
