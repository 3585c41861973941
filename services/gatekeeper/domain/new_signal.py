"""A new signal: its alert, its line in a grouped alert, and the open signal to follow."""

from __future__ import annotations

from dataclasses import dataclass

from services.gatekeeper.domain.state import Tracked
from shared import ids
from shared.contracts import (
    Alert,
    Analysis,
    GroupMember,
    OpenSignal,
    SignalBody,
    TradeLevels,
    Verdict,
)


@dataclass(frozen=True)
class Opening:
    """An analysis that passed all gates, with the levels of its trade."""

    market: str
    analysis: Analysis
    levels: TradeLevels
    verdicts: tuple[Verdict, ...]

    @property
    def symbol(self) -> str:
        return self.analysis.symbol

    @property
    def signal_id(self) -> str:
        return ids.signal_id(self.market, self.symbol, self.analysis.side, self.analysis.scan_id)

    def alert(self, *, now: int) -> Alert:
        """Return the alert for this signal alone."""
        analysis = self.analysis
        return Alert(
            alert_id=ids.signal_alert_id(self.signal_id),
            kind="signal",
            body=SignalBody(signal_id=self.signal_id, side=analysis.side, analysis=analysis, verdicts=self.verdicts),
            occurred_at=analysis.scan_id,
            created_at=now,
            scan_id=analysis.scan_id,
            symbol=self.symbol,
            side=analysis.side,
            estimated=analysis.estimated,
        )

    def member(self) -> GroupMember:
        """Return its line in a grouped alert."""
        analysis, levels = self.analysis, self.levels
        return GroupMember(
            symbol=self.symbol,
            signal_id=self.signal_id,
            score=analysis.score,
            btc_excess=analysis.btc_excess,
            reward_to_risk=levels.reward_to_risk,
            strength=analysis.strength,
            regime=analysis.regime,
            weak=levels.weak,
            entry=levels.entry,
            stop=levels.stop,
            target=levels.target,
            cost_r=levels.cost_r,
            confidence=analysis.confidence,
            comparable=analysis.comparable,
        )

    def tracked(self, alert_id: str) -> Tracked:
        """Return the open signal; *alert_id* is the alert that its lifecycle's alerts reply to."""
        analysis, levels = self.analysis, self.levels
        signal = OpenSignal(
            signal_id=self.signal_id,
            alert_id=alert_id,
            symbol=self.symbol,
            side=analysis.side,
            scan_id=analysis.scan_id,
            entry=levels.entry,
            stop=levels.stop,
            target=levels.target,
            atr=levels.atr,
            score=analysis.score,
            estimated=analysis.estimated,
            worth=analysis.worth,
        )
        return Tracked(signal=signal)
