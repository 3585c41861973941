"""The page about the score shows the analyzer's own weights."""

from __future__ import annotations

from scripts.scoring_page import TARGET, generated, page


def test_the_page_shows_the_weights_in_use() -> None:
    """docs/scoring.md holds exactly what scripts/scoring_page.py writes."""
    text = TARGET.read_text(encoding="utf-8")
    assert generated() in text
    assert page(text) == text
