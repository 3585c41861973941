"""JSON of the exchange, strictly read: numbers may be strings, NaN and Infinity are no JSON."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

import msgspec

from shared import metrics

UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError)  #: how a decoder refuses what is not its JSON

Row = TypeVar("Row")


def decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    """Return a decoder of *kind*; the exchange writes some numbers as strings."""
    return msgspec.json.Decoder(kind, strict=False)


def rows(kind: type[Row]) -> Callable[[bytes | msgspec.Raw], list[Row]]:
    """Return a decoder of a list of *kind*; a row that cannot be read is counted and left out.

    One contract of a new kind, or with a null, does not cost the others.  Raises
    one of `UNREADABLE` where it is not a list, or no row of it can be read.
    """
    whole, single, raw = decoder(list[kind]), decoder(kind), decoder(list[msgspec.Raw])  # type: ignore[valid-type]

    def decode(body: bytes | msgspec.Raw) -> list[Row]:
        try:
            return list(whole.decode(body))
        except (msgspec.ValidationError, UnicodeDecodeError):
            return _readable(single, raw.decode(body))

    return decode


def _readable(single: msgspec.json.Decoder[Any], parts: list[msgspec.Raw]) -> list[Any]:
    found: list[Any] = []
    for part in parts:
        try:
            found.append(single.decode(part))
        except (msgspec.ValidationError, UnicodeDecodeError):
            metrics.FEED_FAULTS.labels("unreadable row").inc()
    if not found:
        raise msgspec.ValidationError(f"none of {len(parts)} rows can be read")
    return found
