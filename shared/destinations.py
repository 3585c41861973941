"""Where alerts can be sent: every channel of `shared/channels`, and the union of their settings."""

from __future__ import annotations

from functools import reduce
from operator import or_
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import Field

from shared.registry import discover
from shared.sending.channel import Channel
from shared.sending.destination import DestinationBase

CHANNELS: Final[MappingProxyType[str, Channel]] = discover("shared.channels", Channel)
_SETTINGS: Final = tuple(channel.settings for channel in CHANNELS.values())

if TYPE_CHECKING:
    Destination = DestinationBase
else:
    Destination: Any = Annotated[reduce(or_, _SETTINGS), Field(discriminator="channel")]
