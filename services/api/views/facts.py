"""Any fact as a JSON object of its fields."""

from __future__ import annotations

import math
from typing import Any, Final

import msgspec

from shared.contracts import unpack

CHART_ROWS: Final = ("open_time", "open", "high", "low", "close", "volume")

Json = dict[str, Any]


def as_json(value: Any) -> Any:
    """Return *value* with every fact as an object of its fields; packed charts become columns."""
    if isinstance(value, msgspec.Struct):
        return {
            name: chart(item) if name == "chart" else as_json(item)
            for name in value.__struct_fields__
            if not isinstance(item := getattr(value, name), bytes) or name == "chart"
        }
    if isinstance(value, dict):
        return {key: as_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(item) for item in value]
    return value


def chart(data: bytes) -> Json | None:
    """Return the 15m bars in *data* by column, None without any."""
    if not data:
        return None
    return dict(zip(CHART_ROWS, unpack(data).reshape(len(CHART_ROWS), -1).tolist(), strict=True))


def finite(value: float | None) -> float | None:
    """Return *value*, None for NaN and infinity, which JSON lacks."""
    return value if value is not None and math.isfinite(value) else None
