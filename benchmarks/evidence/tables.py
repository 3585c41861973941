"""The figures as sections of docs/evidence.md and docs/scoring.md."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.evidence.forecast import Forecasts, Reliability
from benchmarks.evidence.measure import Evidence, Figures, Measured
from benchmarks.evidence.spread import POINTS, Row, passing, spreads
from services.backtest.reporting.report import day_name, estimate, group_cells, percent
from services.backtest.run import Backtest
from services.evaluator.domain.calibration import Bin, Calibration
from services.evaluator.domain.record import CONTROLS, Record
from services.evaluator.domain.statistics import Estimate
from shared.contracts import DAY_MS
from shared.gates import GATES

ONLY_WITH_ALL: Final = "volume"  #: the gate whose near misses are not all known


@dataclass(frozen=True)
class Effort:
    """What the backtest took."""

    cpu_seconds: float
    seconds: float
    megabytes: float  #: of the largest process
    workers: int
    load: float  #: of the machine, over the last quarter of an hour
    cores: int


def run_section(backtest: Backtest, evidence: Evidence, effort: Effort, openings: int) -> str:
    """Return what was run, and what it took."""
    spans = evidence.spans
    signals = sum(one.kind == "signal" and bool(one.result) for one in backtest.outcomes)
    rows = [
        ("coins, scans of coins", f"{len(backtest.coins)}, {backtest.scans:,}"),
        (
            "days",
            f"{day_name(spans.first)} to {day_name(backtest.last - 1)}, of which {len(spans.days)} before the"
            f" last third; that begins on {day_name(spans.begins)}",
        ),
        ("analysed anew, kept from an earlier run", f"{backtest.analysed:,}, {backtest.reused:,}"),
        ("ended signals", f"{signals}"),
        ("rules tried", f"{evidence.rules}, in {len(evidence.answers)} questions"),
        ("runs that opened the last third of this recording, this one included", f"{openings}"),
        (
            "the backtest took",
            f"{effort.cpu_seconds:,.0f} s of CPU, {effort.seconds:,.0f} s by the clock with"
            f" {effort.workers} workers, on {effort.cores} cores with a load of {effort.load:.0f}",
        ),
        ("largest process", f"{effort.megabytes:.0f} MB"),
    ]
    return _table(("", ""), rows)


def whole_section(found: Record, evidence: Evidence) -> str:
    """Return the figures of the signals as shipped."""
    rows = [
        _figures("before the last third", evidence.early),
        _figures("the last third", evidence.late),
        _figures("all days", Figures(found.all, found.against_controls)),
        *(
            (f"control: {name}", *_group(Figures(found.controls[name], found.against_controls))[:-1], "")
            for name in CONTROLS
        ),
    ]
    return f"Verdict: **{found.verdict}**.\n\n" + _table(HEAD, rows)


HEAD: Final = ("", "n", "days", "target first", "needed", "gross R", "net R", "less controls")


def rules_section(evidence: Evidence) -> str:
    """Return every rule's figures before the last third."""
    rows = [("*as shipped*", *_group(evidence.early), "")]
    for answer in evidence.answers:
        rows.append((f"**{answer.question.name}**", *[""] * len(HEAD)))
        rows += [
            (rule.name, *_group(each), _share(each.q))
            for rule, each in zip(answer.question.rules, answer.early, strict=True)
        ]
    return _table((*HEAD, "q"), rows) + "\n\n" + _said_of_rules(evidence)


def _said_of_rules(evidence: Evidence) -> str:
    """Return how many rules are above nothing."""
    every = [each for answer in evidence.answers for each in answer.early]
    above = sum(each.group.net.low > 0 for each in every)
    found = sum(each.group.net.low > 0 and each.q < 0.05 for each in every)
    beside = sum(each.against.low > 0 for each in every)
    return (
        f"Of {len(every)} rules {above} have an interval above zero, {found} of them with a q below 0.05; {beside} have"
        " one above zero for the difference from their controls."
    )


def walk_section(evidence: Evidence) -> str:
    """Return what choosing on earlier days was worth on later ones, and in the last third."""
    head = (
        "question",
        "rules",
        "ahead, R a day",
        "by itself, R a day",
        "p alone, p searched",
        "all days choose",
        "n in the last third",
        "its net R",
        "less controls",
        "q",
        "holds",
    )
    rows = [_walked(answer) for answer in evidence.answers]
    held = [answer.question.name for answer in evidence.answers if answer.holds]
    said = "Nothing held." if not held else f"Held: {', '.join(held)}."
    return _table(head, rows) + f"\n\n**{said}**"


def _walked(answer: Measured) -> tuple[str, ...]:
    walk, late = answer.walk, answer.late
    after = (
        ("", "", "", "")
        if late is None
        else (str(late.group.n), estimate(late.group.net), estimate(late.against), _share(late.q))
    )
    return (
        answer.question.name,
        str(len(answer.early)),
        estimate(walk.difference),
        estimate(walk.total),
        f"{_share(walk.alone)}, {_share(walk.searched)}",
        answer.chosen,
        *after,
        "yes" if answer.holds else "no",
    )


def gates_section(found: Record) -> str:
    """Return each gate's lift over all days."""
    rows = [
        (name, str(lift.n), estimate(lift.refused), estimate(lift.lift))
        for name, lift in found.gates.items()
        if name != ONLY_WITH_ALL
    ]
    return _table(("gate", "refused by it alone", "their net R", "signals less these"), rows)


def strength_section(found: Record) -> str:
    """Return the figures of each strength over all days."""
    rows = [(one.name, *group_cells(one), _share(one.q)) for one in found.cuts["strength"]]
    return _table(("strength", "n", "days", "target first", "needed", "gross R", "net R", "q"), rows)


def forecast_section(found: Reliability) -> str:
    """Return both forecasts' scores and tables, and what recalibration came to."""
    rows = [
        ("before: agreement", *_scores(found.before)),
        ("now: confidence", *_scores(found.now)),
        ("now, near misses and controls too", *_scores(found.everything)),
        ("now, entries that nothing has chosen", *_scores(found.unselected)),
    ]
    parts = [
        _table(("", "n", "days", "mean forecast", "happened", "Brier", "skill", "AUC"), rows),
        f"Squared error of before less that of now: {_small(found.before.worse_than(found.now))}.",
        "| forecast before | happened | n | | forecast now | happened | n | | of unchosen entries | happened | n |",
    ]
    tables = zip(found.before.table, found.now.table, found.unselected.table, strict=True)
    lines = [parts.pop(), f"|{'---|' * 11}", *(f"| {' | | '.join(map(_bin, each))} |" for each in tables)]
    parts += [
        "\n".join(lines),
        _table(
            ("recalibrated by", "outcomes", "days", "squared error saved on later days", "intercept, slope", "in use"),
            [(name, *_calibration(each)) for name, each in found.recalibrations.items()],
        ),
    ]
    return "\n\n".join(parts)


def _scores(found: Forecasts) -> tuple[str, ...]:
    return (
        f"{len(found.forecast):,}",
        str(len(set(found.days.tolist()))),
        percent(float(found.forecast.mean())),
        percent(float(found.happened.mean())),
        f"{found.brier:.3f}",
        f"{found.skill:+.2f}",
        f"{found.auc:.2f}",
    )


def _bin(one: Bin) -> str:
    return f"{percent(one.forecast)} | {percent(one.happened)} | {one.n}"


def _calibration(found: Calibration) -> tuple[str, ...]:
    tried = "not tried: too few" if found.gain is None else _small(found.gain)
    line = f"{found.intercept:+.2f}, {found.slope:.2f}" if found.version != "plain" else ""
    return f"{found.n:,}", str(found.days), tried, line, found.version.partition(":")[0]


def spread_section(rows: Sequence[Row], threshold: float) -> str:
    """Return how the score is spread, and what each gate lets through."""
    since, until = min(row.scan_id for row in rows), max(row.scan_id for row in rows)
    head = (
        "regime",
        "scans",
        "share",
        *(f"{point:g} %" if point != 50.0 else "median" for point in POINTS),
        f"≥ {threshold:g}",
    )
    table = _table(
        head,
        [
            (
                one.name,
                f"{one.n:,}",
                percent(one.share),
                *(f"{value:.1f}" for value in one.points),
                percent(one.passing),
            )
            for one in spreads(rows, threshold)
        ],
    )
    shares = passing(rows)
    gates = _table(
        ("gate", "passes by itself"),
        [(f"{gate.number} {name}", percent(shares[name])) for name, gate in GATES.items() if name in shares],
    )
    days = (until - since) // DAY_MS
    return f"{len(rows):,} scans of {days} days, {day_name(since)} to {day_name(until)}:\n\n{table}\n\n{gates}"


def _figures(name: str, found: Figures) -> tuple[str, ...]:
    return (name, *_group(found))


def _group(found: Figures) -> tuple[str, ...]:
    return (*group_cells(found.group), estimate(found.against))


def _share(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.2f}"


def _small(found: Estimate) -> str:
    return f"{found.mean:+.4f} [{found.low:+.4f}, {found.high:+.4f}]"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *(f"| {' | '.join(row)} |" for row in rows)]
    return "\n".join(lines)
