"""A snapshot as it travels: the message without its numbers, then those, less what can be expected of each.

A bar opens near the close before it, its high and low lie near its body, takers buy about half of the volume, and the
turnover is near volume × mean price.  Any other number is near the one before it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import accumulate, chain, compress, pairwise
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from shared.bus import decimals
from shared.bus.decimals import NO_DECIMALS, POWERS, Wholes
from shared.contracts import COLUMNS, NO_POINTS, Bars, Floats, MarketSnapshot, Points

TIME, OPEN, HIGH, LOW, CLOSE, VOLUME, TURNOVER, TAKER = range(len(COLUMNS))
PRICES: Final = range(OPEN, CLOSE + 1)
SERIES: Final = ("open_interest", "global_ratio", "top_ratio", "funding_settled")
NAN_BITS: Final = np.array(np.nan).view(np.int64)
LENGTH: Final = 4  #: bytes of the head's length
MOST: Final = 1_000_000  #: numbers: more are no snapshot


class Shape(msgspec.Struct, frozen=True, array_like=True):
    """How many numbers of each kind there are; taker volume and turnover of an interval that are all NaN stay away."""

    bars: tuple[int, ...]  #: of each interval
    taker: tuple[bool, ...]  #: whether an interval's taker volume is there
    turnover: tuple[bool, ...]  #: whether its quote volume is there
    series: tuple[int, ...]  #: of each vector beside the bars

    def among(self, there: Sequence[bool]) -> slice | Wholes:
        """Return where the bars of some intervals are among all bars."""
        return slice(None) if all(there) else np.flatnonzero(np.repeat(there, self.bars))


@lru_cache(maxsize=256)  # most symbols have the same
def sections(shape: Shape) -> tuple[int, ...]:
    """Return how many numbers have equally many places: prices, volume, taker volume, turnover, times, each series."""
    count = sum(shape.bars)
    taker, turnover = (sum(compress(shape.bars, there)) for there in (shape.taker, shape.turnover))
    return (len(PRICES) * count, count, taker, turnover, count, *shape.series)


@lru_cache(maxsize=256)
def groups(shape: Shape) -> tuple[int, ...]:
    """Return how many numbers have about one size: prices, volumes, the rest."""
    prices, volume, taker, turnover, *rest = sections(shape)
    return prices, volume + taker + turnover, sum(rest)


class Head(msgspec.Struct, frozen=True, array_like=True):
    """What is needed to read the numbers behind it."""

    snapshot: MarketSnapshot  #: without its numbers
    shape: Shape
    places: tuple[int, ...]  #: of each section
    corrections: int  #: how many numbers are no decimals
    widths: tuple[int, ...]  #: bytes of a number in each group, of a correction's position, and of its bits


class SnapshotNumbers:
    """The numbers of each kind, as views of one vector."""

    def __init__(self, shape: Shape, numbers: npt.NDArray[Any]) -> None:
        edges = list(accumulate(sections(shape), initial=0))
        prices, self.volume, self.taker, self.turnover, self.times, *self.series = (
            numbers[start:end] for start, end in pairwise(edges)
        )
        self.open, self.high, self.low, self.close = self.prices = prices.reshape(len(PRICES), -1)
        self.rest = numbers[edges[4] :]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Head)


def pack(snapshot: MarketSnapshot) -> bytes:
    """Return *snapshot* packed; raises `ValueError` where its parts are no whole columns of numbers."""
    matrices = [bars.matrix for bars in snapshot.bars.values()]
    series = [np.frombuffer(vector, dtype="<f8") for vector in _vectors(snapshot)]
    shape = Shape(
        bars=tuple(matrix.shape[1] for matrix in matrices),
        taker=tuple(_is_there(matrix[TAKER]) for matrix in matrices),
        turnover=tuple(_is_there(matrix[TURNOVER]) for matrix in matrices),
        series=tuple(map(len, series)),
    )
    values = np.concatenate([*_rows(shape, matrices), *series])
    if not 0 < values.size <= MOST:
        raise ValueError("no numbers, or too many")
    with np.errstate(all="ignore"):  # what is lost here, the corrections have
        places = _places(shape, values)
        powers = decimals.powers(places, sections(shape))
        wholes = decimals.whole(values * powers)
        near = wholes / powers
        at, bits = decimals.corrections(values, near)
        _subtract(shape, places, SnapshotNumbers(shape, wholes), SnapshotNumbers(shape, near))
    edges = pairwise(accumulate(groups(shape), initial=0))
    numbers = [*(wholes[start:end] for start, end in edges), at, bits]
    widths, planes = zip(*map(decimals.to_planes, numbers), strict=True)
    head = _encoder.encode(Head(_emptied(snapshot), shape, tuple(places), at.size, widths))
    return b"".join((len(head).to_bytes(LENGTH, "little"), head, *planes))


def unpack(data: bytes) -> MarketSnapshot:
    """Return the snapshot in *data*; raises `msgspec.DecodeError` where `pack` has not made it."""
    try:
        head, start = _head(data)
        return _filled(head, _values(head, memoryview(data)[start:]))
    except (ValueError, IndexError, OverflowError) as error:
        raise msgspec.DecodeError(f"a packed snapshot is damaged: {error}") from None


def unpack_head(data: bytes) -> MarketSnapshot:
    """Return the snapshot in *data* without its numbers, in a fraction of the time; raises `msgspec.DecodeError`."""
    return _head(data)[0].snapshot


def _head(data: bytes) -> tuple[Head, int]:
    """Return the head of *data*, and where the numbers begin."""
    start = LENGTH + int.from_bytes(data[:LENGTH], "little")
    return _decoder.decode(data[LENGTH:start]), start


def _values(head: Head, data: memoryview) -> Floats:
    """Return all numbers of the snapshot."""
    shape, places = head.shape, head.places
    counts = [*groups(shape), head.corrections, head.corrections]
    if min(counts) < 0 or sum(counts) > MOST:
        raise ValueError("too many numbers")
    numbers, start = np.empty(sum(counts), dtype=np.int64), 0
    ends = list(accumulate(counts))
    parts = [numbers[end - count : end] for count, end in zip(counts, ends, strict=True)]
    for part, width in zip(parts, head.widths, strict=True):
        decimals.from_planes(data[start : start + width * part.size], width, part)
        start += width * part.size
    *_, at, bits = parts
    with np.errstate(all="ignore"):
        values = _add(shape, places, numbers[: ends[len(groups(shape)) - 1]])
    values.view(np.int64)[at] += bits
    return values


def _places(shape: Shape, values: Floats) -> list[int]:
    """Return each section's decimal places; volume and taker volume have the same."""
    prices, volume, taker, *others = decimals.places(values, sections(shape))
    if NO_DECIMALS not in (volume, taker):
        volume = taker = max(volume, taker)
    return [prices, volume, taker, *others]


def _subtract(shape: Shape, places: Sequence[int], wholes: SnapshotNumbers, near: SnapshotNumbers) -> None:
    """Subtract from *wholes* what can be expected of each."""
    if places[3] != NO_DECIMALS:
        wholes.turnover -= _expected_turnover(shape, places, near)
    if places[2] == places[1]:
        wholes.taker -= wholes.volume[shape.among(shape.taker)] >> 1
    wholes.high -= np.maximum(wholes.open, wholes.close)
    wholes.low -= np.minimum(wholes.open, wholes.close)
    body = wholes.close - wholes.open
    wholes.open[1:] -= wholes.close[:-1]
    wholes.close[:] = body
    wholes.rest[1:] -= wholes.rest[:-1].copy()


def _add(shape: Shape, places: Sequence[int], numbers: Wholes) -> Floats:
    """Add to *numbers* what `_subtract` took; return them as decimals.

    It goes section by section: a vector of all numbers is memory that the system would have to give anew each time.
    """
    values = np.empty(numbers.size)
    wholes, near = SnapshotNumbers(shape, numbers), SnapshotNumbers(shape, values)
    prices, volume, taker, turnover, *rest = (decimals.power(number) for number in places)
    np.cumsum(wholes.open + wholes.close, out=wholes.close)
    wholes.open[1:] += wholes.close[:-1]
    wholes.high += np.maximum(wholes.open, wholes.close)
    wholes.low += np.minimum(wholes.open, wholes.close)
    np.divide(wholes.prices, prices, out=near.prices)
    np.divide(wholes.volume, volume, out=near.volume)
    if places[2] == places[1]:
        wholes.taker += wholes.volume[shape.among(shape.taker)] >> 1
    np.divide(wholes.taker, taker, out=near.taker)
    if places[3] != NO_DECIMALS:
        wholes.turnover += _expected_turnover(shape, places, near)
    np.divide(wholes.turnover, turnover, out=near.turnover)
    np.cumsum(wholes.rest, out=wholes.rest)
    np.divide(wholes.rest, np.repeat(rest, sections(shape)[4:]), out=near.rest)
    return values


def _expected_turnover(shape: Shape, places: Sequence[int], near: SnapshotNumbers) -> Wholes:
    """Return volume × mean price in the turnover's last place."""
    there = shape.among(shape.turnover)
    mean = (near.open[there] + near.high[there] + (near.low[there] + near.close[there])) * 0.25
    return decimals.whole(near.volume[there] * mean * POWERS[places[3]])


def _is_there(row: Floats) -> bool:
    """Whether anything in *row* is a number."""
    return not (row.size and math.isnan(row.item(0)) and bool((row.view(np.int64) == NAN_BITS).all()))


def _rows(shape: Shape, matrices: Sequence[Floats]) -> list[Floats]:
    """Return the rows of *matrices* in the order of the sections."""
    rows = [matrix[row] for row in (*PRICES, VOLUME) for matrix in matrices]
    rows += [matrix[TAKER] for matrix in compress(matrices, shape.taker)]
    rows += [matrix[TURNOVER] for matrix in compress(matrices, shape.turnover)]
    return rows + [matrix[TIME] for matrix in matrices]


def _vectors(snapshot: MarketSnapshot) -> list[bytes]:
    """Return what has numbers beside the bars."""
    points: list[Points] = [getattr(snapshot.derivatives, name) for name in SERIES]
    return [snapshot.btc_close, *chain.from_iterable((one.times, one.values) for one in points)]


def _emptied(snapshot: MarketSnapshot) -> MarketSnapshot:
    """Return *snapshot* without its numbers."""
    return msgspec.structs.replace(
        snapshot,
        bars={name: Bars(interval=bars.interval, columns=b"") for name, bars in snapshot.bars.items()},
        btc_close=b"",
        derivatives=msgspec.structs.replace(snapshot.derivatives, **dict.fromkeys(SERIES, NO_POINTS)),
    )


def _filled(head: Head, values: Floats) -> MarketSnapshot:
    """Return the head's snapshot with its numbers."""
    parts, snapshot = SnapshotNumbers(head.shape, values), head.snapshot
    btc_close, *points = (vector.tobytes() for vector in parts.series)
    series = {name: Points(times=points[2 * at], values=points[2 * at + 1]) for at, name in enumerate(SERIES)}
    bars = zip(snapshot.bars.items(), _matrices(head.shape, parts), strict=True)
    return msgspec.structs.replace(
        snapshot,
        bars={name: Bars.of(emptied.interval, matrix) for (name, emptied), matrix in bars},
        btc_close=btc_close,
        derivatives=msgspec.structs.replace(snapshot.derivatives, **series),
    )


def _matrices(shape: Shape, parts: SnapshotNumbers) -> Iterator[Floats]:
    """Yield each interval's bars."""
    start = bought = paid = 0
    for count, taker, turnover in zip(shape.bars, shape.taker, shape.turnover, strict=True):
        matrix, end = np.empty((len(COLUMNS), count)), start + count
        matrix[TIME], matrix[OPEN : CLOSE + 1] = parts.times[start:end], parts.prices[:, start:end]
        matrix[VOLUME] = parts.volume[start:end]
        matrix[TAKER] = parts.taker[bought : bought + count] if taker else np.nan
        matrix[TURNOVER] = parts.turnover[paid : paid + count] if turnover else np.nan
        start, bought, paid = end, bought + taker * count, paid + turnover * count
        yield matrix
