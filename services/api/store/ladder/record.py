"""A whole decision as stored: msgpack, zstd with a dictionary of what decisions have in common, mostly names.

A dictionary says its number in every record.  None is ever changed or removed: `scripts/decision_dictionary.py` adds a
newer one, and the newest is used for writing.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, Final

import msgspec
import zstandard

from shared.bus.wire import UNREADABLE, ZSTD_MAGIC, from_wire
from shared.contracts import Decision, decode, encode

DICTIONARIES: Final = Path(__file__).with_name("dictionaries")  #: N.zdict, from 1
LEVEL: Final = 3


class _Codecs(threading.local):
    """One thread's compressor and decompressors: they may not be shared."""

    def __init__(self) -> None:
        paths = sorted(DICTIONARIES.glob("*.zdict"), key=lambda path: int(path.stem))
        held = [zstandard.ZstdCompressionDict(path.read_bytes()) for path in paths]
        self.compressor = zstandard.ZstdCompressor(level=LEVEL, dict_data=held[-1])
        self.decompressors = {one.dict_id(): zstandard.ZstdDecompressor(dict_data=one) for one in held}


_codecs: Final = _Codecs()


def packed(decision: Decision) -> bytes:
    """Return the record of *decision*."""
    return _codecs.compressor.compress(encode(decision))


def readable(record: bytes) -> Any:
    """Return the message in *record*, as `packed` or the bus made it; None where no program can read it any more."""
    try:
        data = bytes(record)
        number = zstandard.get_frame_parameters(data).dict_id if data[:4] == ZSTD_MAGIC else 0
        if number in _codecs.decompressors:
            return decode(_codecs.decompressors[number].decompress(data))
        return from_wire(data)
    except (*UNREADABLE, msgspec.DecodeError):
        return None
