"""Resolves a coin's name in a request, and checks that it is watched."""

from __future__ import annotations

import difflib

from services.api.context import Context
from services.api.problems import MistakesError
from shared.symbols import base_of, pair_of, resolve


def known_symbols(context: Context) -> set[str]:
    """Return every coin of which a price or a judgement is known; empty right after the start."""
    board = context.board
    return {*(board.tick.prices if board.tick else ()), *board.decisions}


def watched(context: Context, text: str) -> str:
    """Return the symbol that *text* means; raise `MistakesError` where no such coin is watched.

    Before the first price no coin is known: then it is the likeliest pair.
    """
    known = known_symbols(context)
    if not known:
        return pair_of(text)
    symbol = resolve(text, known)[0]
    if symbol not in known:
        raise MistakesError([f"symbol: {unknown(text, known)}"])
    return symbol


def unknown(text: str, known: set[str]) -> str:
    """Return the sentence for an unknown coin *text*."""
    bases = {base_of(symbol): symbol for symbol in known}
    near = [bases[base] for base in difflib.get_close_matches(base_of(pair_of(text)), bases, n=3)]
    hint = f"; did you mean {', '.join(near)}?" if near else ""
    return f"{text} is not among the {len(known)} watched coins{hint}"
