"""The building blocks of the settings."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

Kind = Literal["signal", "lifecycle", "group", "price", "anomaly", "system"]
Side = Literal["long", "short"]
Percentage = Annotated[float, Field(ge=0, le=100)]
CLOCK: Final = re.compile(r"([01]\d|2[0-3]):[0-5]\d")


class Section(BaseModel):
    """A part of the settings: frozen, and unknown names are an error rather than ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)


def _time_of_day(value: object) -> object:
    """Return the time of day that was meant: YAML takes 23:00 without quotes for the number 1380."""
    if isinstance(value, int) and 0 <= value < 1_440:
        return f"{value // 60:02}:{value % 60:02}"
    if isinstance(value, str) and not CLOCK.fullmatch(value):
        raise ValueError(f"{value!r} is not a time of day such as 08:00")
    return value


def _time_or_never(value: object) -> object:
    return value if value == "" else _time_of_day(value)


TimeOfDay = Annotated[
    str, BeforeValidator(_time_of_day), WithJsonSchema({"type": "string", "pattern": f"^{CLOCK.pattern}$"})
]
TimeOrNever = Annotated[
    str, BeforeValidator(_time_or_never), WithJsonSchema({"type": "string", "pattern": f"^({CLOCK.pattern})?$"})
]


class QuietHours(Section):
    """When to hold back, in `timezone`; ``start`` may be later than ``end`` (over midnight)."""

    start: TimeOfDay
    end: TimeOfDay
    kinds: tuple[Kind, ...] = ()  #: empty: all
