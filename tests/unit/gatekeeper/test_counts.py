"""A commit's messages are counted once, by bounded labels."""

from __future__ import annotations

from prometheus_client import REGISTRY

from services.gatekeeper.runtime.counts import count
from shared.contracts import Decision, Stream
from tests.contract.examples import examples


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_decisions_verdicts_and_alerts_are_counted() -> None:
    """A decision counts by its outcome and each of its verdicts, an alert by its kind."""
    decision = next(message for message in examples().values() if isinstance(message, Decision))
    gate = decision.verdicts[0].gate
    verdict = "passed" if decision.verdicts[0].passed else "refused"
    before = value("sevengate_decisions_total", outcome=decision.outcome)
    judged = value("sevengate_gate_verdicts_total", gate=gate, verdict=verdict)
    count([(Stream.DECISIONS, decision)], open_signals=3)
    assert value("sevengate_decisions_total", outcome=decision.outcome) == before + 1
    assert value("sevengate_gate_verdicts_total", gate=gate, verdict=verdict) >= judged + 1
    assert value("sevengate_open_signals") == 3
