"""Every gate in a terminal and as JSON."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from rich.console import Console

from services.gatekeeper.domain import gates
from services.terminal.commands import explain
from shared.gates import GATES
from shared.settings import Thresholds
from tests.unit.gatekeeper.facts import SCAN, analysis


def decision(**more: Any) -> dict[str, Any]:
    """Return a decision in the API's form: the first appearance of [AAA], fine otherwise."""
    made = analysis("[AAA]USDT")
    verdicts = gates.judge(made, Thresholds(), None)
    return {
        "symbol": made.symbol,
        "scan_id": SCAN,
        "side": made.side,
        "score": made.score,
        "fmqs": 60.0,
        "confidence": 38.0,
        "agreement": 70.0,
        "regime": made.regime,
        "outcome": "rejected",
        "gates": [{name: getattr(verdict, name) for name in verdict.__struct_fields__} for verdict in verdicts],
        "estimated": ["taker"],
        **more,
    }


def rendered(value: dict[str, Any]) -> str:
    """Return what a terminal shows."""
    console = Console(width=120, record=True, file=None, force_terminal=False)
    with console.capture() as captured:
        console.print(explain.as_table(value))
    return captured.get()


def test_every_gate_stands_in_the_table_with_value_threshold_and_reason() -> None:
    """Seven rows, in their order, for any symbol's name."""
    text = rendered(decision())
    assert "[AAA]USDT long" in text
    lines = [line for line in text.splitlines() if line[:1].isdigit() and ("✓" in line or "✗" in line)]
    assert [line.split()[2] for line in lines] == list(GATES)
    assert lines[0].split()[3:6] == ["80", "65", "+15.00"]
    assert "first appearance" in lines[6]
    assert "6 of 7 gates passed; rejected; estimated: taker" in text
    assert "young: short history on 4h" in rendered(decision(young=["4h"]))


def test_one_that_was_not_analysed_says_why() -> None:
    """Without an answer there are no values, and the problem is named."""
    made = msgspec.structs.replace(analysis(), problem="gap")
    verdicts = gates.judge(made, Thresholds(), None)
    listed = [{name: getattr(verdict, name) for name in verdict.__struct_fields__} for verdict in verdicts]
    text = rendered(decision(gates=listed, problem="gap", fmqs=None))
    assert "not analysed: gap" in text
    assert "FMQS –" in text


def test_json_is_one_object_with_the_gates() -> None:
    """The JSON has the table's contents."""
    found = json.loads(explain.as_json(decision()))
    assert [gate["gate"] for gate in found["gates"]] == list(GATES)
    assert found["gates"][0]["distance"] == 15.0
    assert found["scan_id"] == SCAN
