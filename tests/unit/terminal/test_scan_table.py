"""`scan --once` as a table: what fits a narrow terminal, and what each row says."""

from __future__ import annotations

import io

from rich.console import Console

from services.terminal.commands.scan import Scanned, print_table, refused_by
from shared.contracts import Decision, ScanSettled, Verdict
from tests.unit.gatekeeper import facts

GATES = ("score", "fmqs", "squeeze", "volume", "groups", "timeframes", "persistence")


def verdicts(*refusing: str) -> tuple[Verdict, ...]:
    return tuple(
        Verdict(gate=name, passed=name not in refusing, value=1.0, threshold=1.0, distance=0.0, reason="")
        for name in GATES
    )


def decision(symbol: str, *refusing: str) -> Decision:
    return Decision(
        decision_id=f"{symbol}:{facts.SCAN}",
        analysis=facts.analysis(symbol),
        verdicts=verdicts(*refusing),
        appeared=not refusing,
        passed=not refusing,
        outcome="rejected",
        settings_version=1,
    )


def test_a_row_fits_eighty_columns_and_is_not_cut() -> None:
    """Long and non-Latin names, figures and every gate stand on one line."""
    names = ("1000000MOGUSDT", "币安人生USDT")
    settled = ScanSettled(
        scan_id=facts.SCAN,
        symbols=2,
        analysed=2,
        passed=0,
        alerts=0,
        missing=(),
        at_deadline=False,
        opened_at=facts.SCAN,
        settled_at=facts.SCAN,
        seconds=0.3,
    )
    console = Console(width=80, record=True, file=io.StringIO())
    print_table(Scanned(settled, [decision(name, "score", "persistence") for name in names]), console)
    text = console.export_text()
    assert "…" not in text
    for name in names:
        row = next(line for line in text.splitlines() if name in line)
        assert row.split()[1:4] == [name, "long", "80.0"]
        assert "○●●●●●○" in row
        assert row.rstrip().endswith("score +1")


def test_the_first_gate_that_refused_is_named() -> None:
    """Nothing for a coin that passed; the name alone where one gate stands in the way."""
    assert refused_by(verdicts()) == ""
    assert refused_by(verdicts("persistence")) == "persistence"
    assert refused_by(verdicts("fmqs", "volume", "persistence")) == "fmqs +2"
