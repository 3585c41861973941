"""A market-wide move becomes one grouped, ranked alert."""

from __future__ import annotations

from collections.abc import Sequence

from services.gatekeeper.domain.new_signal import Opening
from shared import ids
from shared.contracts import Alert, GroupBody, Side


def rank(openings: Sequence[Opening]) -> list[Opening]:
    """Return *openings*, the best score first, then the best return in excess of BTC for the side."""

    def order(opening: Opening) -> tuple[float, float, str]:
        analysis = opening.analysis
        excess = (analysis.btc_excess or 0.0) * (1 if analysis.side == "long" else -1)
        return -analysis.score, -excess, analysis.symbol

    return sorted(openings, key=order)


def alert(market: str, side: Side, scan_id: int, ranked: Sequence[Opening], *, now: int) -> Alert:
    """Return one alert for all of *ranked*."""
    name = ids.group_id(market, side, scan_id)
    return Alert(
        alert_id=name,
        kind="group",
        body=GroupBody(group_id=name, side=side, members=tuple(opening.member() for opening in ranked)),
        occurred_at=scan_id,
        created_at=now,
        scan_id=scan_id,
        side=side,
        estimated=tuple(sorted({name for opening in ranked for name in opening.analysis.estimated})),
    )
