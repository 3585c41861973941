"""The port that each file of `shared/channels` implements, and the objects that a channel sends with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from shared.sending.destination import DestinationBase

if TYPE_CHECKING:
    from shared.config.environment import Environment
    from shared.contracts import Alert
    from shared.sending.text import Text
    from shared.settings import RuntimeSettings


@dataclass(frozen=True)
class Outgoing:
    """One alert, ready to be sent to one destination."""

    alert: Alert
    destination: str  #: its name in the settings
    text: Text
    settings: RuntimeSettings
    card: Callable[[], bytes | None]  #: draws the PNG; None where there is none
    payload: Callable[[], dict[str, Any]] = dict  #: the documented JSON body of docs/webhook.md
    reply_to: str = ""  #: the other side's id of the parent message
    taken: tuple[str, ...] = ()  #: recipients that have it from an earlier attempt

    @property
    def timeout(self) -> float:
        """The time limit of the other side's answer, s."""
        return self.settings.delivery.timeout_seconds


class RateLimits(Protocol):
    """The other side's rate limits, shared by all processes."""

    async def wait(self, chat_id: str) -> float | None: ...
    async def hold(self, lane: str, seconds: float) -> None: ...
    async def held(self, *lanes: str) -> float | None: ...


class MovedChats(Protocol):
    """Chats whose id has changed for good."""

    async def migrated(self, chat_id: str) -> str: ...
    async def migrate(self, chat_id: str, new: str) -> None: ...


@dataclass(frozen=True)
class SendContext:
    """The tools that a channel gets besides the message."""

    environment: Environment
    rates: RateLimits
    moved_chats: MovedChats


@dataclass(frozen=True)
class ChannelLimits:
    """The other side's limits, shown in docs/alerts.md; zero: no limit."""

    text: int = 0  #: characters of a message
    caption: int = 0  #: characters of a message with a picture
    pace: str = "as it asks for"


#: sends the message, returns the other side's id of it, raises an outcome of `shared.sending.results` otherwise
Send = Callable[[Outgoing, Any, SendContext], Awaitable[str]]
#: returns the seconds until the destination may get its next message, None when that is now
Turn = Callable[[Any, SendContext], Awaitable[float | None]]


async def at_once(destination: DestinationBase, context: SendContext) -> float | None:
    """Return None: this channel sets no pace of its own."""
    return None


@dataclass(frozen=True, kw_only=True)
class Channel:
    """A kind of destination.  A file in `shared/channels` with an ENTRY of this type is all that a new one needs."""

    name: str  #: the word after `channel:` in config.yaml
    title: str
    settings: type[DestinationBase]  #: its `channel` is a Literal of the name
    send: Send
    limits: ChannelLimits
    examples: Mapping[str, Mapping[str, Any]]  #: a destination's name in config.yaml -> its settings
    summary: str  #: one paragraph of Markdown for docs/alerts.md
    turn: Turn = at_once
    tells_departure: bool = False  #: `send` calls `departure.leave`; else all that fails may have arrived
