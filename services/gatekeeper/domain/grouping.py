"""A move of the whole market leaves as one grouped, ranked alert."""

from __future__ import annotations

from collections.abc import Sequence

from shared.contracts import Alert, Analysis, GroupBody, GroupMember, Side, TradeLevels, signal_id


def group_id(side: Side, scan_id: int) -> str:
    """Return the id of the group of *side* at *scan_id*; its alert has the same."""
    return f"group:{side}:{scan_id}"


def rank(analyses: Sequence[Analysis]) -> list[Analysis]:
    """Return *analyses*, the best score first, then the best return in excess of BTC for the side."""

    def order(analysis: Analysis) -> tuple[float, float, str]:
        excess = (analysis.btc_excess or 0.0) * (1 if analysis.side == "long" else -1)
        return -analysis.score, -excess, analysis.symbol

    return sorted(analyses, key=order)


def alert(side: Side, scan_id: int, members: Sequence[Analysis], *, now: int) -> Alert:
    """Return the one alert for *members*, all of which have levels."""
    ranked = rank(members)
    body = GroupBody(
        group_id=group_id(side, scan_id),
        side=side,
        members=tuple(_member(analysis, analysis.levels) for analysis in ranked if analysis.levels is not None),
    )
    return Alert(
        alert_id=body.group_id,
        kind="group",
        body=body,
        occurred_at=scan_id,
        created_at=now,
        scan_id=scan_id,
        side=side,
        estimated=tuple(sorted({name for analysis in ranked for name in analysis.estimated})),
    )


def _member(analysis: Analysis, levels: TradeLevels) -> GroupMember:
    return GroupMember(
        symbol=analysis.symbol,
        signal_id=signal_id(analysis.symbol, analysis.side, analysis.scan_id),
        score=analysis.score,
        btc_excess=analysis.btc_excess,
        reward_to_risk=levels.reward_to_risk,
        strength=analysis.strength,
        regime=analysis.regime,
        weak=levels.weak,
        entry=levels.entry,
        stop=levels.stop,
        target=levels.target,
    )
