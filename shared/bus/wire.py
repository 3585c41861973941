"""How a message travels: encoded, compressed where it is worth it."""

from __future__ import annotations

from typing import Final

import msgspec
import zstandard

from shared.contracts import Message, decode, encode

COMPRESS_ABOVE: Final = 2048  #: bytes
ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
UNREADABLE: Final = (msgspec.DecodeError, zstandard.ZstdError)  #: what `from_wire` raises


def to_wire(message: Message) -> bytes:
    """Return *message* encoded, compressed where it is worth it."""
    data = encode(message)
    return zstandard.compress(data, 1) if len(data) > COMPRESS_ABOVE else data


def from_wire(data: bytes) -> Message:
    """Return the message in *data*; raise one of `UNREADABLE`."""
    return decode(zstandard.decompress(data) if data[:4] == ZSTD_MAGIC else data)
