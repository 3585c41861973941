"""Resolves a coin's name to its symbol: "link" is LINKUSDT; pure."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

QUOTES: Final = ("USDT", "USDC")


def resolve(text: str, known: Collection[str]) -> list[str]:
    """Return the symbols that *text* may mean, likeliest first; those of *known* come before all others."""
    name = text.strip().upper()
    meant = list(dict.fromkeys((text, name, *(f"{name}{quote}" for quote in QUOTES))))
    return sorted(meant, key=lambda symbol: symbol not in known)


def pair_of(text: str) -> str:
    """Return the trading pair of *text* without a list of symbols: SOL is SOLUSDT."""
    name = text.strip().upper()
    return name if any(quote in name for quote in QUOTES) else f"{name}{QUOTES[0]}"


def base_of(symbol: str) -> str:
    """Return the base asset of *symbol*: LINKUSDT is LINK."""
    return next((symbol.removesuffix(quote) for quote in QUOTES if symbol.endswith(quote)), symbol)


def pattern_of(text: str) -> str:
    """Return *text*, a symbol or a shell pattern of symbols, as it is compared: SOL is SOLUSDT, btc* is BTC*."""
    return text.strip().upper() if any(sign in text for sign in "*?[") else pair_of(text)
