"""A gate's verdict, with its title and the shortfall as text."""

from __future__ import annotations

from collections.abc import Sequence

from services.api.views.facts import Json, as_json
from shared.contracts import Verdict
from shared.gates import shown, title


def gates(verdicts: Sequence[Verdict]) -> list[Json]:
    """Return *verdicts* in their order, numbered from 1."""
    return [{"number": number, **gate(verdict)} for number, verdict in enumerate(verdicts, 1)]


def gate(verdict: Verdict) -> Json:
    """Return *verdict* with its title and texts."""
    return {**as_json(verdict), "title": title(verdict.gate), "missing": missing(verdict)}


def missing(verdict: Verdict) -> str:
    """Return a gate's shortfall, such as "volume 0.80 of 1.20"; empty where it passed."""
    if verdict.passed:
        return ""
    value, threshold = shown(verdict)
    if verdict.value is None or not threshold or " too " not in f" {verdict.reason} ":
        return f"{verdict.gate}: {verdict.reason}"
    return f"{verdict.gate} {value} of {threshold}"
