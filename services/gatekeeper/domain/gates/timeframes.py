"""Gate 6: several timeframes reach the score by themselves."""

from __future__ import annotations

from services.gatekeeper.domain.gates.verdict import Appearance, at_least
from shared.contracts import Analysis, TimeframeAnalysis, Verdict
from shared.settings import Thresholds

NAME = "timeframes"
JUDGED = ("15m", "1h", "4h")


def judge(analysis: Analysis, limits: Thresholds, earlier: Appearance | None) -> Verdict:
    """Refuse when fewer of 15m, 1h and 4h than asked reach gate 1's threshold for the side."""
    scores = [_score(part, analysis.side) for part in analysis.timeframes if part.interval in JUDGED]
    count = float(sum(score >= limits.score for score in scores))
    return at_least(NAME, count, float(limits.timeframes), refusal="too few timeframes")


def _score(part: TimeframeAnalysis, side: str) -> float:
    return part.long_score if side == "long" else part.short_score
