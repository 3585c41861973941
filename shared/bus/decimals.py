"""Floats as whole numbers of their last decimal place (1.2345 as 12345), and those as few bytes: lossless always.

An exchange's numbers are decimals of few places.  A number that is none (NaN, -0.0, a sum that is off by a bit, a
quotient with all its digits) is near one, or near zero: the difference of their bits is kept beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from shared.contracts import Floats

Wholes = npt.NDArray[np.int64]

LIMIT: Final = 2.0**51  #: whole numbers below it, and their sums and differences, are exact
POWERS: Final = 10.0 ** np.arange(10)
NO_DECIMALS: Final = -1  #: the places of numbers that are mostly none: they count as zero
TO_ZERO: Final = 1e-300  #: the power that makes zeros of them
SAMPLE: Final = np.linspace(0.0, 1.0, 24)  #: where in a section the numbers stand that its places are found by
NUMBER: Final = 8  #: bytes


def places(values: Floats, lengths: Sequence[int]) -> list[int]:
    """Return how many decimal places the numbers of each section of *values* have, or `NO_DECIMALS`."""
    sizes = np.array(lengths)
    starts = sizes.cumsum() - sizes
    at = starts[:, np.newaxis] + np.outer(np.maximum(sizes - 1, 0), SAMPLE).astype(np.int64)
    sample = values[np.minimum(at, values.size - 1)]
    powers = POWERS[:, np.newaxis, np.newaxis]
    scaled = np.rint(sample * powers)
    fitting = ((scaled / powers == sample) & (np.abs(scaled) < LIMIT)).sum(axis=2)
    best = fitting.argmax(axis=0)
    found: list[int] = np.where(2 * fitting.max(axis=0) < SAMPLE.size, NO_DECIMALS, best).tolist()
    return found


def power(places: int) -> float:
    """Return the power of ten that makes whole numbers of those with so many *places*."""
    return TO_ZERO if places == NO_DECIMALS else POWERS.item(places)


def powers(places: Sequence[int], lengths: Sequence[int]) -> Floats:
    """Return the power of ten of every number."""
    return np.repeat([power(number) for number in places], lengths)


def whole(values: Floats) -> Wholes:
    """Return *values* as the nearest whole numbers; zero for those that are none or too large."""
    nearest = np.rint(values)
    size = np.abs(nearest)
    if not size.max(initial=0.0) < LIMIT:
        nearest[~(size < LIMIT)] = 0.0
    return nearest.astype(np.int64)


def corrections(values: Floats, decimals: Floats) -> tuple[Wholes, Wholes]:
    """Return where *values* differ from *decimals*, and by what: the difference of their bits."""
    exact, near = values.view(np.int64), decimals.view(np.int64)
    where = np.flatnonzero(exact != near)
    return where, exact[where] - near[where]


def to_planes(wholes: Wholes) -> tuple[int, bytes]:
    """Return how many bytes a number needs, and all the lowest bytes, then all the second ones, and so on.

    Signs go to the lowest bit: 0, -1, 1, -2 are 0, 1, 2, 3.
    """
    unsigned = (wholes << 1) ^ (wholes >> 63)
    width = (int(unsigned.view(np.uint64).max(initial=0)).bit_length() + 7) // 8
    columns = unsigned.astype("<i8", copy=False).view(np.uint8).reshape(-1, NUMBER)
    return width, columns[:, :width].T.tobytes()


def from_planes(data: memoryview, width: int, wholes: Wholes) -> None:
    """Fill *wholes* with the numbers of `to_planes`; raises `ValueError` where *data* are not that many."""
    planes = np.frombuffer(data, dtype=np.uint8).reshape(width, wholes.size)
    if width > NUMBER:
        raise ValueError("no number has so many bytes")
    unsigned: npt.NDArray[Any] = np.zeros(wholes.size, dtype=np.uint32 if width <= NUMBER // 2 else np.uint64)
    for plane in planes[::-1]:
        unsigned <<= 8
        unsigned |= plane
    signs = -(unsigned & 1)
    unsigned >>= 1
    unsigned ^= signs
    wholes[:] = unsigned.view(np.int32 if width <= NUMBER // 2 else np.int64)
