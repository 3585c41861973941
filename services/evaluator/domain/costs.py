"""The result of an outcome in R: gross, the costs of both sides, funding, net."""

from __future__ import annotations

import msgspec

from services.evaluator.domain.first_touch import Touch, TouchProgress, direction, in_r
from shared.contracts import SCAN_MS, Outcome


def settle(outcome: Outcome, progress: TouchProgress, touch: Touch) -> Outcome:
    """Return *outcome* with its result; net is gross less fees and slippage of the traded value and less funding."""
    risk = abs(outcome.entry - outcome.stop)
    gross = in_r(outcome, touch.price)
    cost = progress.cost_rate * (outcome.entry + touch.price) / risk
    funding = direction(outcome) * progress.funding / risk
    return msgspec.structs.replace(
        outcome,
        result=touch.result,
        ended_at=touch.at,
        exit_price=touch.price,
        ambiguous=touch.ambiguous,
        minutes=(touch.at - outcome.scan_id) // 60_000,
        r_gross=gross,
        r_optimistic=in_r(outcome, outcome.target) if touch.ambiguous else gross,
        cost_r=cost,
        funding_r=funding,
        r_net=gross - cost - funding,
        best_r=max(progress.best, gross),
        worst_r=min(progress.worst, gross),
        missing_bars=max(0, (touch.at - outcome.scan_id) // SCAN_MS - progress.seen),
    )


def expected_cost(outcome: Outcome, rate: float) -> float:
    """Return the costs of both sides in R, for an exit near the entry."""
    return 2.0 * rate * outcome.entry / abs(outcome.entry - outcome.stop)


def break_even(outcome: Outcome) -> float:
    """Return the hit rate at which such setups break even: (1 + cost) ÷ (1 + reward), in R."""
    return (1.0 + outcome.cost_r) / (1.0 + in_r(outcome, outcome.target))
