"""How the exchange fails to give what was asked for."""

from __future__ import annotations


class FeedError(Exception):
    """The exchange did not give what was asked for."""


class UnavailableError(FeedError):
    """No answer after several tries."""


class RefusedError(FeedError):
    """HTTP 400: asking again would not help."""


class UnknownSymbolError(RefusedError):
    """The exchange does not know the symbol (any more)."""


class GarbledError(FeedError):
    """The answer is not what its endpoint promises."""
