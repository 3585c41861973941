"""The page about the indicators is what the catalogue says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_the_page_is_generated_from_the_catalogue() -> None:
    """docs/indicators.md is exactly what docs/make_indicators.py writes."""
    made = subprocess.run([sys.executable, "docs/make_indicators.py", "--check"], cwd=ROOT, check=False)
    assert made.returncode == 0
