"""How much a vote counts: its gain, its ceiling and its weight in each regime."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final, get_args

from services.analyzer.domain.indicator import Group, Voter, catalogue
from services.analyzer.domain.numeric import clip
from services.analyzer.domain.scoring.context_votes import CONTEXT_VOTES
from shared.contracts import MarketInput, Regime

GROUPS: Final[tuple[Group, ...]] = get_args(Group)

#: How much each group weighs in each regime.
GROUP_WEIGHTS: Final[dict[Regime, dict[Group, float]]] = {
    "TRENDING": {
        "trend": 0.54,
        "momentum": 0.26,
        "volume": 0.07,
        "derivatives": 0.04,
        "price action": 0.05,
        "structure": 0.04,
    },
    "RANGING": {
        "trend": 0.06,
        "momentum": 0.62,
        "volume": 0.09,
        "derivatives": 0.05,
        "price action": 0.05,
        "structure": 0.13,
    },
    "VOLATILE": {
        "trend": 0.30,
        "momentum": 0.24,
        "volume": 0.28,
        "derivatives": 0.05,
        "price action": 0.08,
        "structure": 0.05,
    },
}
#: What a vote is multiplied by in each regime, before it is held within ±1.
GAIN: Final[dict[Regime, float]] = {"TRENDING": 1.2, "RANGING": 1.4, "VOLATILE": 1.06}
VOLATILE_VOLUME_GAIN: Final = 1.25  #: of the volume group where everything else counts for less
#: The most that one vote counts: with the gain this spreads the score (docs/scoring.md shows what comes of it).
CEILING: Final[dict[Regime, float]] = {"TRENDING": 0.88, "RANGING": 0.94, "VOLATILE": 0.88}


@lru_cache(maxsize=1)
def voters() -> Mapping[str, Voter]:
    """Return everything that can vote."""
    indicators = {
        entry.name: Voter(entry.group, entry.weight, entry.needs)
        for entry in catalogue().values()
        if entry.group and entry.vote
    }
    return {**indicators, **CONTEXT_VOTES}


@lru_cache(maxsize=16)
def silenced(unavailable: tuple[MarketInput, ...]) -> frozenset[str]:
    """Return the votes that need what the exchange does not publish; the others share their weight."""
    return frozenset(name for name, voter in voters().items() if not set(voter.needs).isdisjoint(unavailable))


def apply_gain(votes: Mapping[str, float], regime: Regime) -> dict[str, float]:
    """Return *votes* as they count in *regime*."""
    ceiling, usual, own = CEILING[regime], GAIN[regime], _own_gains(regime)
    return {name: ceiling * clip(vote * own.get(name, usual)) for name, vote in votes.items()}


def gain_of(name: str, regime: Regime) -> float:
    """Return the gain of the vote *name* in *regime*."""
    return _own_gains(regime).get(name, GAIN[regime])


def _own_gains(regime: Regime) -> dict[str, float]:
    """Return the votes that have a gain of their own in *regime*."""
    return dict.fromkeys(_volume_votes(), VOLATILE_VOLUME_GAIN) if regime == "VOLATILE" else {}


@lru_cache(maxsize=1)
def _volume_votes() -> tuple[str, ...]:
    return tuple(name for name, voter in voters().items() if voter.group == "volume")


@lru_cache(maxsize=256)
def _weights(names: tuple[str, ...], regime: Regime) -> dict[str, float]:
    shares: dict[Group, float] = {}
    for name in names:
        group, weight, _ = voters()[name]
        shares[group] = shares.get(group, 0.0) + weight
    total = sum(GROUP_WEIGHTS[regime][group] for group in shares)
    return {
        name: GROUP_WEIGHTS[regime][group] / total * weight / shares[group]
        for name in names
        for group, weight, _ in [voters()[name]]
    }


def weigh(votes: Iterable[str], regime: Regime) -> dict[str, float]:
    """Return each vote's weight: its group's in *regime*, shared within the group; they sum to 1.

    A group without any vote leaves its weight to the others.
    """
    return _weights(tuple(votes), regime)
