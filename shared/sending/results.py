"""The outcomes of an attempt to send a message."""

from __future__ import annotations

from typing import Literal, get_args

HttpReason = Literal[
    "http 400",
    "http 401",
    "http 403",
    "http 404",
    "http 405",
    "http 408",
    "http 409",
    "http 410",
    "http 413",
    "http 415",
    "http 422",
    "http 423",
    "http 425",
    "http 429",
    "http 4xx",
    "http 500",
    "http 502",
    "http 503",
    "http 504",
    "http 5xx",
    "http other",
]
#: why a message was not sent, as reports show it; anything else is in the detail
Reason = Literal[
    HttpReason,
    "",
    # held back before it was tried
    "muted",
    "quiet hours",
    "held",
    "destination muted",
    "destination removed",
    "suspended",
    "too late",
    # nothing left
    "bad address",
    "bad header",
    "bad secret",
    "bad token",
    "channel failed",
    "chat migrated",
    "forbidden address",
    "name not resolved",
    "no connection",
    "no token",
    "not supported",
    "template failed",
    "unknown channel",
    # the other side's answer
    "login refused",
    "no permission",
    "recipients refused",
    "redirected",
    "refused",
    "server error",
    "server refused",
    "smtp 4xx",
    "smtp 5xx",
    # unknown
    "apprise failed",
    "connection broke",
    "died while sending",
    "no answer in time",
]
_HTTP = frozenset(get_args(HttpReason))


def http_reason(status: int) -> HttpReason:
    """Return the reason for an HTTP *status*; one that is not listed falls into its class."""
    exact, family = f"http {status}", f"http {status // 100}xx"
    return exact if exact in _HTTP else family if family in _HTTP else "http other"  # type: ignore[return-value]


class NotDelivered(Exception):  # noqa: N818 - an outcome rather than an error
    """The other side certainly did not accept the message."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason: Reason = reason
        self.detail = detail


class Rejected(NotDelivered):
    """It never will accept it: trying again is pointless."""


class Suspended(Rejected):
    """It accepts nothing until the destination's settings change."""


class Later(NotDelivered):
    """It may accept it later."""

    def __init__(
        self, reason: Reason, detail: str = "", *, after: float | None = None, taken: tuple[str, ...] = ()
    ) -> None:
        super().__init__(reason, detail)
        self.after = after  #: seconds that the other side asked for
        self.taken = taken  #: recipients that have it already: the next attempt leaves them out


class Ambiguous(Exception):  # noqa: N818 - an outcome rather than an error
    """Something was sent, and no answer came: it may have arrived."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason: Reason = reason
        self.detail = detail
