"""What must hold after a run, whether its stages were tasks or processes; each answers with what contradicts it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from services.evaluator.domain import following
from services.gatekeeper import handler
from services.gatekeeper.domain.state import State
from services.gatekeeper.handler import JudgingContext
from shared.contracts import SCAN_MS, Alert, Analysis, Decision, Outcome, PriceTick, ScanOpened

ENDS = frozenset({"sent", "unknown", "expired", "rejected"})


@dataclass(frozen=True)
class Step:
    """One scan and the ticks before its close."""

    ticks: Sequence[PriceTick]
    opened: ScanOpened
    analyses: Mapping[str, Analysis]


def alerts_of(steps: Iterable[Step], world: JudgingContext) -> list[Alert]:
    """Return the alerts of the undisturbed run, by the handler alone: no bus, no tasks, no time."""
    state, alerts = State(), []
    for step in steps:
        ticked = handler.take_ticks(state, [(tick, False) for tick in step.ticks], world)
        settled = handler.settle_scan(ticked.state, step.opened, step.analyses, world, opened_wall=world.now)
        state = settled.state
        for outcome in (ticked, settled):
            alerts += [message for _, message in outcome.outputs if isinstance(message, Alert)]
    return alerts


def outcomes_of(steps: Iterable[Step], world: JudgingContext) -> list[Outcome]:
    """Return the evaluator's outcomes of the undisturbed run, by the handlers alone."""
    state, followed, outcomes = State(), following.FollowingState(), list[Outcome]()
    for step in steps:
        state = handler.take_ticks(state, [(tick, False) for tick in step.ticks], world).state
        settled = handler.settle_scan(state, step.opened, step.analyses, world, opened_wall=world.now)
        state = settled.state
        decisions = {one.analysis.symbol: one for _, one in settled.outputs if isinstance(one, Decision)}
        followed, published = following.take_scan(followed, step.opened.scan_id, decisions, lambda _: world.settings)
        outcomes += published
    return outcomes


def same_outcomes(wanted: Sequence[Outcome], got: Sequence[Outcome]) -> list[str]:
    """1, 2 for outcomes: each beginning and each end is published once, with the same figures."""
    expected, found = (Counter(repr(one) for one in outcomes) for outcomes in (wanted, got))
    return [
        *(f"1: missing {outcome}" for outcome in sorted((expected - found).keys())),
        *(f"2: too many {outcome}" for outcome in sorted((found - expected).keys())),
    ]


def same_alerts(wanted: Iterable[Alert], got: Iterable[Alert]) -> list[str]:
    """1, 2: none is missing, none is more; an early end and its confirmation are two."""
    expected, found = (Counter((alert.alert_id, is_early(alert)) for alert in alerts) for alerts in (wanted, got))
    return [
        *(f"1: missing {alert}" for alert in sorted((expected - found).keys())),
        *(f"2: too many {alert}" for alert in sorted((found - expected).keys())),
    ]


def is_early(alert: Alert) -> bool:
    """Return whether a tick announced it and the bar has yet to confirm it."""
    return bool(getattr(alert.body, "early", False))


def scan_of(alert: Alert) -> int:
    """Return the scan that *alert* is of, or the next one after it."""
    return alert.scan_id or next_scan(alert.occurred_at)


def next_scan(at: int) -> int:
    """Return the first close from *at* on."""
    return -(-at // SCAN_MS) * SCAN_MS


def all_told(alerts: Iterable[str], ends: Mapping[str, set[str]], received: Counter[str]) -> list[str]:
    """3, 4: every alert has an end, and arrived once where it is reported sent, never twice."""
    found = []
    for alert_id in sorted(set(alerts)):
        end, times = ends.get(alert_id, set()), received[alert_id]
        if not end & ENDS:
            found.append(f"3: {alert_id} has no end")
        if "sent" in end and not times:
            found.append(f"3: {alert_id} is reported sent and was not")
        if times and not end & {"sent", "unknown"}:
            found.append(f"3: {alert_id} arrived and is reported {sorted(end)}")
        if times > 1:
            found.append(f"4: {alert_id} was told {times} times")
    return found


def persistence(decisions: Sequence[Decision], degraded: set[int]) -> list[str]:
    """5: gate 7's value of every decision follows from the decisions of the scans before; one of each."""
    appeared = {
        (one.analysis.symbol, one.analysis.scan_id, one.analysis.side)
        for one in decisions
        if one.appeared and one.outcome not in ("late", "inhibited") and one.analysis.scan_id not in degraded
    }
    found = []
    for decision in decisions:
        analysis, row = decision.analysis, 0
        while (analysis.symbol, analysis.scan_id - (row + 1) * SCAN_MS, analysis.side) in appeared:
            row += 1
        counted = decision.verdicts[6].value
        if decision.outcome != "late" and not analysis.problem and counted != row:
            found.append(f"5: {decision.decision_id} counts {counted} scans, {row} are recorded")
    ids = Counter(decision.decision_id for decision in decisions)
    return found + [f"5: {count} decisions {name}" for name, count in ids.items() if count > 1]


def order(alerts: Iterable[Alert]) -> list[str]:
    """6: the alerts of a symbol by time, and no answer before what it answers."""
    newest: dict[str, int] = {}
    seen: set[str] = set()
    found = []
    for alert in alerts:
        if alert.symbol and alert.occurred_at < newest.get(alert.symbol, 0):
            found.append(f"6: {alert.alert_id} is out of order")
        if alert.parent_id and alert.parent_id not in seen:
            found.append(f"6: {alert.alert_id} comes before what it answers")
        newest[alert.symbol] = alert.occurred_at
        seen.add(alert.alert_id)
    return found


def scans_in_order(scans: Sequence[int]) -> list[str]:
    """7: scans settle by time, each once."""
    return [] if list(scans) == sorted(set(scans)) else [f"7: scans settled in the order {list(scans)}"]


def nothing_stale(alerts: Iterable[Alert], degraded: set[int]) -> list[str]:
    """8: no signal, group or anomaly of a degraded scan."""
    return [
        f"8: {alert.alert_id} comes of a degraded scan"
        for alert in alerts
        if alert.kind in ("signal", "group", "anomaly") and alert.scan_id in degraded
    ]
