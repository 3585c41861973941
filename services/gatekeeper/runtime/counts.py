"""Metrics of the gatekeeper's commits."""

from __future__ import annotations

from collections.abc import Sequence

from shared import metrics
from shared.contracts import Alert, Decision, Message, Stream


def count(outputs: Sequence[tuple[Stream, Message]], *, open_signals: int) -> None:
    """Count the decisions, the verdicts of each gate and the alerts of a commit."""
    for _, message in outputs:
        match message:
            case Decision():
                metrics.DECISIONS.labels(message.outcome).inc()
                for verdict in message.verdicts:
                    metrics.GATE_VERDICTS.labels(verdict.gate, "passed" if verdict.passed else "refused").inc()
            case Alert():
                metrics.ALERTS.labels(message.kind).inc()
            case _:
                pass
    metrics.OPEN_SIGNALS.set(open_signals)
