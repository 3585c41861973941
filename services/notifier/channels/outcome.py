"""What can come of an attempt, and what a channel is given for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from services.notifier.text import Text
from shared.contracts import Alert
from shared.settings import RuntimeSettings


class NotDelivered(Exception):  # noqa: N818 - an outcome rather than an error
    """The other side certainly did not take the message."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason = reason  #: bounded
        self.detail = detail


class Rejected(NotDelivered):
    """It never will: trying again is pointless."""


class Parked(Rejected):
    """It will take nothing any more until somebody changes the destination."""


class Later(NotDelivered):
    """It may in a while."""

    def __init__(self, reason: str, detail: str = "", *, after: float | None = None) -> None:
        super().__init__(reason, detail)
        self.after = after  #: seconds that the other side asked for


class Ambiguous(Exception):  # noqa: N818 - an outcome rather than an error
    """Something was sent, and no answer came: it may have arrived."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True)
class Outgoing:
    """One alert, ready to be told to one destination."""

    alert: Alert
    destination: str
    text: Text
    settings: RuntimeSettings
    card: Callable[[], bytes | None]  #: draws the PNG; None where there is none
    reply_to: str = ""  #: the other side's id of the parent message
