"""A settled scan's decisions in, outcomes and the next state out: no I/O, no clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from services.evaluator.domain import following
from services.evaluator.domain.following import FollowingState
from shared.contracts import Decision, Message, Stream
from shared.settings import RuntimeSettings


@dataclass(frozen=True)
class HandledScan:
    """The next state and the messages to commit with it."""

    state: FollowingState
    outputs: list[tuple[Stream, Message]] = field(default_factory=list)


def take_scan(
    state: FollowingState,
    scan_id: int,
    decisions: Mapping[str, Decision],
    settings_at: Callable[[int], RuntimeSettings],
) -> HandledScan:
    """Return the outcomes and the state after a scan, whose *decisions* are by symbol; empty for one already taken."""
    after, published = following.take_scan(state, scan_id, decisions, settings_at)
    return HandledScan(after, [(Stream.OUTCOMES, outcome) for outcome in published])


def culprits(
    state: FollowingState,
    scan_id: int,
    decisions: Mapping[str, Decision],
    settings_at: Callable[[int], RuntimeSettings],
) -> dict[str, Exception]:
    """Return the symbols whose decision alone makes `take_scan` raise, with what it raised."""
    found: dict[str, Exception] = {}
    for symbol, decision in decisions.items():
        try:
            take_scan(state, scan_id, {symbol: decision}, settings_at)
        except Exception as error:  # the other outcomes go on
            found[symbol] = error
    return found
