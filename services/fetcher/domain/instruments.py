"""Instruments: one contract as an exchange lists it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Instrument:
    """One contract as the exchange lists it."""

    symbol: str
    tick_size: float  #: the price's smallest step, not its number of decimals
    onboard_date: int  #: ms, 0 when unknown
    tradable: bool  #: trades now, perpetual, on a coin, quoted in USDT
    unknown: str = ""  #: the kind of an unknown value in its listing
    estimated: tuple[str, ...] = ()  #: inputs that the source made by a documented rule
