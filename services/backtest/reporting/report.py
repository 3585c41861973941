"""A backtest as one JSON object and as text: the figures of the record, by the very functions that make it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from services.backtest.run import Backtest, iso
from services.backtest.trials import Judgement
from services.evaluator.domain.record import CONTROLS, Group, Record, record
from services.evaluator.domain.statistics import Estimate
from shared.contracts import Outcome

ONLY_WITH_ALL: Final = "needs --all-scores: what it refuses is not analysed otherwise"


@dataclass(frozen=True)
class Report:
    """A backtest, what is said of it, and the parts it was split into."""

    backtest: Backtest
    record: Record
    parts: dict[str, Record]  #: by name: "before 2025-09-15", "the last third", …
    judgement: Judgement
    settings: dict[str, Any]  #: those that differ from the shipped ones
    all_scores: bool
    notes: Sequence[str]
    seconds: float


def split(outcomes: Sequence[Outcome], parts: dict[str, tuple[int, int]]) -> dict[str, Record]:
    """Return the record of each of *parts*, named spans of scans: the first included, the second not."""
    return {
        name: record([one for one in outcomes if since <= one.scan_id < until], cuts=False)
        for name, (since, until) in parts.items()
    }


def observed(backtest: Backtest) -> str:
    """Return a sentence that says of which share of the scans the futures figures are as observed."""
    shares = observed_shares(backtest)
    rule = "estimated by the replay's rule"
    if not any(shares.values()):
        return f"{', '.join(shares)}: {rule}"
    said = ", ".join(f"{name} of {share:.0%}" for name, share in shares.items())
    return f"as observed: {said} of the scans; the others are {rule}"


def observed_shares(backtest: Backtest) -> dict[str, float]:
    return {name: count / max(1, backtest.scans) for name, count in backtest.observed.items()}


def as_json(report: Report) -> dict[str, Any]:
    """Return everything as JSON-able values; what is not known is null."""
    backtest = report.backtest
    found = report.record
    return {
        "from": iso(backtest.first).replace(" ", "T") + "Z",
        "to": iso(backtest.last).replace(" ", "T") + "Z",
        "coins": backtest.coins,
        "scans": backtest.scans,
        "analysed": backtest.analysed,
        "reused": backtest.reused,
        "seconds": round(report.seconds, 1),
        "settings": report.settings,
        "trials": report.judgement.trials,
        "holdout_openings": report.judgement.openings,
        "deflated_sharpe": _number(report.judgement.deflated),
        "verdict": found.verdict,
        "notes": list(report.notes),
        "observed": {name: _number(share) for name, share in observed_shares(backtest).items()},
        "summary": summary(found, report),
        "parts": {name: {"verdict": part.verdict, **_figures(part)} for name, part in report.parts.items()},
        "signals": [_signal(one) for one in _signals(backtest.outcomes)],
    }


def summary(found: Record, report: Report) -> dict[str, Any]:
    """Return the figures of all signals beside their controls and the gates."""
    gates = {
        name: {"lift": _number(lift.lift.mean), "interval": _interval(lift.lift), "n": lift.n}
        for name, lift in found.gates.items()
        if report.all_scores or name != "volume"
    }
    return {**_figures(found), "gates": gates}


def _figures(found: Record) -> dict[str, Any]:
    every = found.all
    n = sum(group.n for group in found.controls.values())
    control = sum(group.net.mean * group.n for group in found.controls.values() if group.n) / n if n else math.nan
    return {
        "n": every.n,
        "days": every.days,
        "hit_rate": _number(every.hit_rate),
        "break_even": _number(every.break_even),
        "mean_r_gross": _number(every.gross.mean),
        "mean_r_net": _number(every.net.mean),
        "mean_r_net_interval": _interval(every.net),
        "design_effect": _number(every.net.design_effect),
        "control_r_net": _number(control),
        "against_controls": _number(found.against_controls.mean),
        "against_controls_interval": _interval(found.against_controls),
    }


def _signals(outcomes: Sequence[Outcome]) -> list[Outcome]:
    return sorted((one for one in outcomes if one.kind == "signal"), key=lambda one: (one.scan_id, one.symbol))


def _signal(one: Outcome) -> dict[str, Any]:
    return {
        "signal_id": one.outcome_id,
        "symbol": one.symbol,
        "side": one.side,
        "scan_id": one.scan_id,
        "entry": one.entry,
        "stop": one.stop,
        "target": one.target,
        "outcome": one.result or None,
        "ended_at": one.ended_at or None,
        "r_gross": one.r_gross,
        "r_net": one.r_net,
        "cost_r": one.cost_r,
        "funding_r": one.funding_r,
        "minutes": one.minutes,
        "ambiguous": one.ambiguous,
        "lifecycle": one.lifecycle or None,
        "score": one.score,
        "confidence": one.confidence,
        "regime": one.regime,
        "weak": one.weak,
    }


def _number(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 6)


def _interval(estimate: Estimate) -> list[float | None]:
    return [_number(estimate.low), _number(estimate.high)]


def as_text(report: Report) -> str:
    """Return the report in lines for a terminal."""
    backtest, found = report.backtest, report.record
    unended = sum(one.kind == "signal" and not one.result for one in backtest.outcomes)
    lines = [
        f"{iso(backtest.first)} to {iso(backtest.last)} UTC: {len(backtest.coins)} coins, {backtest.scans:,} scans of"
        f" coins; {backtest.analysed:,} analysed, {backtest.reused:,} kept from before, {report.seconds:.0f} s",
        "settings: " + (", ".join(f"{path}={value}" for path, value in report.settings.items()) or "as shipped"),
        "",
        f"VERDICT: {found.verdict}",
        "",
        _heading(),
        _line("signals", found.all),
        *(_line(f"control: {name}", found.controls[name]) for name in CONTROLS),
        f"signals less controls, net R: {estimate(found.against_controls)}",
    ]
    if unended:
        lines.append(f"{unended} signals had not ended where the bars end: they are listed, not counted")
    for name, part in report.parts.items():
        lines.append(_line(name, part.all) + f"   {part.verdict}")
    lines += ["", "each gate: net R of signals less that of what it alone refused"]
    for name, lift in found.gates.items():
        known = report.all_scores or name != "volume"
        lines.append(f"  {name:12} {lift.n:6} refused   {estimate(lift.lift) if known else ONLY_WITH_ALL}")
    lines += ["", *report.judgement.lines, *report.notes]
    return "\n".join(lines)


def _heading() -> str:
    return f"{'':26} {'n':>6} {'days':>5} {'hit rate':>9} {'needed':>7} {'gross R':>8}  net R, 95 % by whole days"


def _line(name: str, group: Group) -> str:
    shares = f"{percent(group.hit_rate):>9} {percent(group.break_even):>7}"
    return f"{name:26} {group.n:6} {group.days:5} {shares} {signed(group.gross.mean):>8}  {estimate(group.net)}"


def group_cells(group: Group) -> tuple[str, ...]:
    """Return n, days, hit rate, what is needed, gross and net R of *group*, as a table shows them."""
    shares = percent(group.hit_rate), percent(group.break_even)
    return (str(group.n), str(group.days), *shares, signed(group.gross.mean), estimate(group.net))


def percent(value: float) -> str:
    """Return the share *value* in per cent, one decimal."""
    return "–" if math.isnan(value) else f"{value * 100:.1f} %"


def signed(value: float) -> str:
    """Return *value* with its sign, two decimals."""
    return "–" if math.isnan(value) else f"{value:+.2f}"


def estimate(found: Estimate) -> str:
    """Return the mean with its interval."""
    return f"{signed(found.mean)} [{signed(found.low)}, {signed(found.high)}]"


def day_name(moment: int) -> str:
    """Return the UTC day of *moment*."""
    return datetime.fromtimestamp(moment / 1_000, UTC).strftime("%Y-%m-%d")
