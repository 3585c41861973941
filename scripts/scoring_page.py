"""Write the table of docs/scoring.md from the analyzer's own weights."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from scripts.sections import replaced  # noqa: E402
from services.analyzer.domain.scoring.weights import (  # noqa: E402
    CEILING,
    GAIN,
    GROUP_WEIGHTS,
    GROUPS,
    VOLATILE_VOLUME_GAIN,
)
from shared.contracts import Regime  # noqa: E402

TARGET = ROOT / "docs" / "scoring.md"
BEGIN = "<!-- weights: made by scripts/scoring_page.py -->"
END = "<!-- end of weights -->"
REGIMES: tuple[Regime, ...] = ("TRENDING", "RANGING", "VOLATILE")


def generated() -> str:
    """Return the table: a line for each group, then gain and ceiling."""
    weights = [
        _row(f"weight of {group}", *(f"{GROUP_WEIGHTS[name][group]:.2f}" for name in REGIMES)) for group in GROUPS
    ]
    gains = [f"{GAIN[name]:g}" for name in REGIMES]
    gains[-1] += f" (volume {VOLATILE_VOLUME_GAIN:g})"
    ceilings = [f"{CEILING[name]:g}" for name in REGIMES]
    return "\n".join(
        [_row("", *REGIMES), "|---|---|---|---|", *weights, _row("gain", *gains), _row("ceiling", *ceilings)]
    )


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def page(text: str) -> str:
    """Return *text* with the table between its two marks made anew."""
    return replaced(text, BEGIN, END, generated())


if __name__ == "__main__":
    TARGET.write_text(page(TARGET.read_text(encoding="utf-8")), encoding="utf-8")
