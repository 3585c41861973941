"""What a trade costs and needs, and how setups like it went."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.api.views.facts import Json, as_json
from shared.contracts import Comparable, Worth
from shared.odds import break_even, line_of, reward_of


def shown(found: Worth | None, entry: float, stop: float, target: float) -> Json | None:
    """Return *found* of a trade with these prices; None where it is not known."""
    if found is None:
        return None
    return {
        "cost_r": found.cost_r,
        "break_even": break_even(found.cost_r, reward_of(entry, stop, target)),
        "record": line_of(found.comparable),
        "comparable": as_json(found.comparable),
    }


def of_row(found: Mapping[str, Any] | None) -> Worth | None:
    """Return the worth in a row of the table of signals."""
    if found is None:
        return None
    comparable = found["comparable"]
    return Worth(cost_r=found["cost_r"], comparable=Comparable(**comparable) if comparable else None)
