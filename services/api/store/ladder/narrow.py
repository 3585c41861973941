"""A decision as a narrow row: scores, verdicts, values, levels and the bar; pure.

What many decisions have in common (which gates refused and why, the thresholds, the names of intervals and groups) is
one row of `judgements`, whose id follows from its content; a decision has the id.  Figures are kept to seven digits.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, get_args

import msgspec
import numpy as np

from shared import ids
from shared.contracts import (
    Analysis,
    AnomalyFigures,
    Decision,
    Fact,
    Fmqs,
    GroupVote,
    MarketInput,
    Regime,
    TimeframeAnalysis,
    TradeLevels,
    Verdict,
    VolumeFigures,
)

COLUMNS: Final = (
    *("market", "symbol", "scan_id", "settings_version", "side", "score", "long_score", "short_score", "fmqs"),
    *("confidence", "agreement", "regime", "strength", "entry", "stop", "target", "reward_to_risk", "weak", "appeared"),
    *("passed", "outcome", "problem", "signal_id", "judgement_id", "figures", "flags", "regimes"),
)  #: of `decisions`, what `of_row` reads besides the judgement's `verdicts` and `common`

_REGIMES: Final[dict[str, Regime]] = {regime[0]: regime for regime in get_args(Regime)}
_BAR: Final = 5  #: open, high, low, close, volume
_PLAIN: Final = _BAR + 10  #: figures before those of intervals and groups, without the gates' values

Figures = list[float | None]


class Common(Fact, frozen=True):
    """What the figures and flags of many decisions mean."""

    intervals: tuple[str, ...]
    groups: tuple[str, ...]
    capped_by: str = ""
    unavailable: tuple[MarketInput, ...] = ()
    estimated: tuple[str, ...] = ()


class Asked(msgspec.Struct, frozen=True):
    """One gate's part of a judgement."""

    place: int  #: of the gate's value among the figures, from 1
    passed: bool
    threshold: float
    reason: str
    distance: float | None = None  #: where it is not the value less the threshold
    turned: bool = False  #: it is the threshold less the value


def judgement(decision: Decision) -> dict[str, Any]:
    """Return the row of `judgements` that *decision* shares with others; its values are JSON text."""
    verdicts = {verdict.gate: _asked(verdict, place) for place, verdict in enumerate(decision.verdicts, 1)}
    analysis = decision.analysis
    common = Common(
        intervals=tuple(frame.interval for frame in analysis.timeframes),
        groups=tuple(group.name for group in analysis.groups),
        capped_by=analysis.fmqs.capped_by if analysis.fmqs else "",
        unavailable=analysis.unavailable,
        estimated=analysis.estimated,
    )
    texts = msgspec.json.encode(verdicts), msgspec.json.encode(common)
    digest = hashlib.blake2b(b"\n".join(texts), digest_size=8).digest()
    number = int.from_bytes(digest, "big", signed=True)
    return {"judgement_id": number, "verdicts": texts[0].decode(), "common": texts[1].decode()}


def _asked(verdict: Verdict, place: int) -> Asked:
    made = Asked(place, verdict.passed, verdict.threshold, verdict.reason)
    value, distance = verdict.value, verdict.distance
    if value is None or distance is None or distance == value - verdict.threshold:
        return made
    if distance == verdict.threshold - value:
        return msgspec.structs.replace(made, turned=True)
    return msgspec.structs.replace(made, distance=distance)


def columns(decision: Decision) -> dict[str, Any]:
    """Return what a row has beyond the columns that lists show, without its judgement's id."""
    return {
        "figures": _figures(decision),
        "flags": _flags(decision.analysis),
        "regimes": "".join(frame.regime[0] for frame in decision.analysis.timeframes),
    }


def _figures(decision: Decision) -> list[float]:
    """Return the figures in the order in which `of_row` takes them; NaN stands for what is not known."""
    analysis, levels = decision.analysis, decision.analysis.levels
    volume = analysis.volume or VolumeFigures(ratio_3=None, taker_delta=None, obv_slope=None)
    bar = (*analysis.bar, *[math.nan] * _BAR)[:_BAR]
    found = (
        *(verdict.value for verdict in decision.verdicts),
        *bar,
        analysis.tick_size,
        *(volume.ratio_3, volume.taker_delta, volume.obv_slope),
        *((levels.atr, levels.cost_r) if levels else (None, None)),
        *(analysis.expected_r, analysis.btc_excess, analysis.anomaly.change_24h, analysis.fmqs_other),
        *(score for frame in analysis.timeframes for score in (frame.long_score, frame.short_score)),
        *(group.vote for group in analysis.groups),
    )
    with np.errstate(over="ignore", under="ignore"):  # what Postgres would refuse becomes infinite, or zero
        narrowed: list[float] = np.array([math.nan if one is None else one for one in found], np.float32).tolist()
    return narrowed


def _flags(analysis: Analysis) -> int:
    """Return, bit by bit: volume is known, a bar without volume, each interval's squeeze, each group's agreement."""
    bits = (
        analysis.volume is not None,
        analysis.volume is not None and analysis.volume.zero_volume,
        *(frame.squeeze for frame in analysis.timeframes),
        *(group.agrees for group in analysis.groups),
    )
    return sum(1 << place for place, bit in enumerate(bits) if bit)


def of_row(row: Mapping[str, Any]) -> Decision:
    """Return the decision in *row*, without what a narrow row does not have."""
    asked = sorted(msgspec.convert(row["verdicts"], dict[str, Asked]).items(), key=lambda item: item[1].place)
    figures = [None if math.isnan(one) else one for one in row["figures"]]
    return Decision(
        decision_id=ids.decision_id(row["market"], row["symbol"], row["scan_id"]),
        analysis=_analysis(row, msgspec.convert(row["common"], Common), figures[len(asked) :]),
        verdicts=tuple(_verdict(gate, one, figures[one.place - 1]) for gate, one in asked),
        **{name: row[name] for name in ("appeared", "passed", "outcome", "settings_version", "signal_id")},
    )


def _analysis(row: Mapping[str, Any], common: Common, figures: Figures) -> Analysis:
    bits = [bool(row["flags"] >> place & 1) for place in range(2 + len(common.intervals) + len(common.groups))]
    has_volume, zero_volume = bits[:2]
    bar, (tick_size, *volume, atr, cost_r, expected_r, btc_excess, change_24h, fmqs_other), rest = (
        figures[:_BAR],
        figures[_BAR:_PLAIN],
        figures[_PLAIN:],
    )
    ratio_3, taker_delta, obv_slope = volume
    levels = _levels(row, atr or 0.0, cost_r or 0.0)
    if levels is not None:
        bar[3] = levels.entry  # the close, of which the column has every digit
    known = VolumeFigures(ratio_3=ratio_3, taker_delta=taker_delta, obv_slope=obv_slope, zero_volume=zero_volume)
    return Analysis(
        **{name: row[name] for name in _SAME},
        tick_size=tick_size or 0.0,
        bar=tuple(one for one in bar if one is not None),
        timeframes=_frames(common, row["regimes"], rest, bits[2:]),
        groups=_groups(common, rest[2 * len(common.intervals) :], bits[2 + len(common.intervals) :]),
        fmqs=None if row["fmqs"] is None else Fmqs(value=row["fmqs"], components={}, capped_by=common.capped_by),
        fmqs_other=fmqs_other,
        levels=levels,
        volume=known if has_volume else None,
        anomaly=AnomalyFigures(change_24h=change_24h),
        btc_excess=btc_excess,
        expected_r=expected_r,
        estimated=common.estimated,
        unavailable=common.unavailable,
    )


def _levels(row: Mapping[str, Any], atr: float, cost_r: float) -> TradeLevels | None:
    if row["entry"] is None:
        return None
    prices = {name: row[name] for name in ("entry", "stop", "target", "reward_to_risk", "weak")}
    return TradeLevels(**prices, atr=atr, cost_r=cost_r, stop_reason="", target_reason="")


def _frames(common: Common, regimes: str, scores: Figures, squeezed: Sequence[bool]) -> tuple[TimeframeAnalysis, ...]:
    return tuple(
        TimeframeAnalysis(
            interval=interval,  # type: ignore[arg-type]
            regime=_REGIMES[regimes[place]],
            values={},
            votes={},
            weights={},
            long_score=scores[2 * place] or 0.0,
            short_score=scores[2 * place + 1] or 0.0,
            patterns={},
            squeeze=squeezed[place],
        )
        for place, interval in enumerate(common.intervals)
    )


def _groups(common: Common, votes: Figures, agree: Sequence[bool]) -> tuple[GroupVote, ...]:
    named = zip(common.groups, votes, agree, strict=True)
    return tuple(GroupVote(name=name, votes={}, vote=vote or 0.0, agrees=agrees) for name, vote, agrees in named)


_SAME: Final = (
    *("symbol", "scan_id", "settings_version", "problem", "side", "score", "long_score", "short_score", "agreement"),
    *("regime", "strength", "confidence"),
)


def _verdict(gate: str, asked: Asked, value: float | None) -> Verdict:
    distance = asked.distance
    if distance is None and value is not None:
        distance = asked.threshold - value if asked.turned else value - asked.threshold
    return Verdict(
        gate=gate,
        passed=asked.passed,
        value=value,
        threshold=asked.threshold,
        distance=distance,
        reason=asked.reason,
    )
