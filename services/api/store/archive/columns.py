"""The columns of an archived decision, and the rows of a file as the rows that Postgres gives."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Final

import numpy as np

Row = dict[str, Any]

FORMAT: Final = 1  #: of the files; grows when a column changes its meaning
#: In the order in which the files have them, by their types in Parquet; `verdicts` and `common` are JSON.
#: They are all of `decisions`, with what its judgement says, so that a file can be read without the database.
COLUMNS: Final = {
    "market": "string",
    "symbol": "string",
    "scan_id": "int64",
    "settings_version": "int64",
    "side": "string",
    "score": "float",
    "long_score": "float",
    "short_score": "float",
    "fmqs": "float",
    "confidence": "float",
    "agreement": "float",
    "regime": "string",
    "strength": "int16",
    "entry": "double",
    "stop": "double",
    "target": "double",
    "reward_to_risk": "float",
    "weak": "bool",
    "appeared": "bool",
    "passed": "bool",
    "outcome": "string",
    "problem": "string",
    "signal_id": "string",
    "judgement_id": "int64",
    "figures": "floats",
    "flags": "int32",
    "regimes": "string",
    "record": "binary",
    "verdicts": "string",
    "common": "string",
}
SPACED: Final = 2.0**24  #: from here on half way between two float4s may be a short decimal
OF_JUDGEMENT: Final = ("verdicts", "common")


@cache
def _parsed(text: str) -> Any:
    return json.loads(text)


def _shortest(value: float) -> float:
    """Return a float4 as PostgreSQL says it: the shortest decimal that means it."""
    return _of_large(value) if abs(value) >= SPACED else float(str(np.float32(value)))


def _all_shortest(values: Sequence[float]) -> list[float]:
    found: list[float] = np.asarray(values, dtype=np.float32).astype("U32").astype(np.float64).tolist()
    return [_of_large(value) if abs(value) >= SPACED else near for value, near in zip(values, found, strict=True)]


def _of_large(value: float) -> float:
    """Return a float4 whose neighbours are 2 and more away: PostgreSQL takes no decimal that is half way to one."""
    if not math.isfinite(value):
        return value
    mantissa, exponent = math.frexp(abs(value))
    gap = math.ldexp(1.0, exponent - 24)
    nearer = gap / 2 if mantissa == 0.5 else gap  # towards zero from a power of two
    inner, outer = abs(value) - nearer / 2, abs(value) + gap / 2
    for digits in range(1, 9):
        near = float(f"{value:.{digits}g}")
        if inner < abs(near) < outer:
            return near
    return float(f"{value:.9g}")


_MADE: Final[dict[str, Callable[[Any], Any]]] = {
    **{name: _shortest for name, kind in COLUMNS.items() if kind == "float"},
    **{name: _all_shortest for name, kind in COLUMNS.items() if kind == "floats"},
    **dict.fromkeys(OF_JUDGEMENT, _parsed),
}


def rows_of(names: Sequence[str], found: Sequence[Sequence[Any]]) -> list[Row]:
    """Return what DuckDB *found*, tuples of the columns *names*, as the rows that Postgres gives of them."""
    makers = [_MADE.get(name) for name in names]
    return [
        {
            name: value if make is None or value is None else make(value)
            for name, make, value in zip(names, makers, values, strict=True)
        }
        for values in found
    ]
