"""Readable prices: on the coin's tick where it is known, never with an exponent."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

DIGITS: Final = 8  #: significant ones, where no tick is known


def price(value: float, tick: float = 0.0) -> str:
    """Return *value* with the places of *tick*, or else with its own, at most `DIGITS` significant ones.

    What stands before the point is never rounded away.
    """
    if tick > 0:
        places = max(0, -int(Decimal(repr(tick)).normalize().as_tuple().exponent))
        return f"{value:.{places}f}"
    if abs(value) >= 10**DIGITS:
        return f"{value:.0f}"
    return f"{Decimal(f'{value:.{DIGITS}g}'):f}"
