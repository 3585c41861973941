"""A message's form on the bus: encoded, a snapshot packed, and compressed where that makes it smaller."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Final, cast

import msgspec
import zstandard

from shared.bus.packing import pack, unpack, unpack_head
from shared.contracts import MarketSnapshot, Message, decode, encode

COMPRESS_ABOVE: Final = 2048  #: bytes
ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
PACKED: Final = b"\xc1\x01"  #: before a packed snapshot: a byte that begins no msgpack, and the form's version
UNREADABLE: Final = (msgspec.DecodeError, zstandard.ZstdError)  #: the errors that `from_wire` raises


class _Zstd(threading.local):
    """A thread's own: to make one takes longer than a small message."""

    def __init__(self) -> None:
        self.compress = zstandard.ZstdCompressor(level=1).compress
        self.decompress = zstandard.ZstdDecompressor().decompress


_zstd = _Zstd()


@dataclass(frozen=True, slots=True)
class PackedSnapshot:
    """A snapshot as it came: a fifth of the memory, for readers that need few of its numbers, or none."""

    symbol: str
    scan_id: int
    data: bytes

    def read(self) -> MarketSnapshot:
        """Return the snapshot; raise one of `UNREADABLE`."""
        return cast("MarketSnapshot", from_wire(self.data))


def to_wire(message: Message | PackedSnapshot) -> bytes:
    """Return *message* encoded, compressed where it is worth it."""
    if isinstance(message, PackedSnapshot):
        return message.data
    data = _packed(message) if isinstance(message, MarketSnapshot) else encode(message)
    return _zstd.compress(data) if len(data) > COMPRESS_ABOVE else data


def from_wire(data: bytes) -> Message:
    """Return the message in *data*; raise one of `UNREADABLE`."""
    data = _decompressed(data)
    return unpack(data[len(PACKED) :]) if data[: len(PACKED)] == PACKED else decode(data)


def packed(snapshot: MarketSnapshot) -> PackedSnapshot:
    """Return *snapshot* as it travels."""
    return PackedSnapshot(snapshot.symbol, snapshot.scan_id, to_wire(snapshot))


def glance(data: bytes) -> Message | PackedSnapshot:
    """Return the message in *data*, a snapshot as it came; raise one of `UNREADABLE`."""
    plain = _decompressed(data)
    message = unpack_head(plain[len(PACKED) :]) if plain[: len(PACKED)] == PACKED else decode(plain)
    if isinstance(message, MarketSnapshot):
        return PackedSnapshot(message.symbol, message.scan_id, data)
    return message


def _decompressed(data: bytes) -> bytes:
    return _zstd.decompress(data) if data[:4] == ZSTD_MAGIC else data


def _packed(snapshot: MarketSnapshot) -> bytes:
    """Return *snapshot* packed, or encoded like any message where it cannot be packed."""
    try:
        return PACKED + pack(snapshot)
    except ValueError:
        return encode(snapshot)
