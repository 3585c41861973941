"""Write the table of docs/gates.md from the gates themselves."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from scripts.sections import replaced  # noqa: E402
from shared.gate import Gate  # noqa: E402
from shared.gates import GATES  # noqa: E402

TARGET = ROOT / "docs" / "gates.md"
BEGIN = "<!-- gates: made by scripts/gates_page.py -->"
END = "<!-- end of gates -->"
HEAD = (
    "| | gate | passes when | value | threshold (shipped) | setting | reasons besides `passed` |",
    "| --- | --- | --- | --- | --- | --- | --- |",
)


def generated() -> str:
    """Return the table: one line for each gate, in the gates' order."""
    return "\n".join([*HEAD, *(_row(gate) for gate in GATES.values())])


def _row(gate: Gate) -> str:
    reasons = ", ".join(f"`{reason}`" for reason in gate.reasons)
    cells = (gate.number, gate.name, gate.sentence, gate.value, _default(gate), f"`thresholds.{gate.setting}`", reasons)
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def _default(gate: Gate) -> str:
    if isinstance(gate.default, tuple):  # the intervals that a gate looks at: none of them may fail it
        return f"0 of {', '.join(gate.default)}"
    return f"{gate.default:g}"


def page(text: str) -> str:
    """Return *text* with the table between its two marks made anew."""
    return replaced(text, BEGIN, END, generated())


if __name__ == "__main__":
    TARGET.write_text(page(TARGET.read_text(encoding="utf-8")), encoding="utf-8")
