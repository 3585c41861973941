"""docs/gates.md lists the gates as they declare themselves."""

from __future__ import annotations

from scripts.gates_page import TARGET, generated, page
from shared.gates import GATES


def test_the_page_is_current() -> None:
    """A changed gate changes the page: `python scripts/gates_page.py` writes it."""
    text = TARGET.read_text(encoding="utf-8")
    assert page(text) == text


def test_every_gate_has_its_line() -> None:
    """Number, name, setting and every reason of each gate stand in the table."""
    lines = generated().splitlines()[2:]
    assert len(lines) == len(GATES)
    for line, gate in zip(lines, GATES.values(), strict=True):
        assert line.startswith(f"| {gate.number} | {gate.name} |")
        assert f"`thresholds.{gate.setting}`" in line
        assert all(f"`{reason}`" in line for reason in gate.reasons)
