"""docs/alerts.md: every fault of delivery is in it, and every test that it names exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
TEXT = (ROOT / "docs" / "alerts.md").read_text(encoding="utf-8")
FOLDERS = ("tests/integration/notifier", "tests/unit/notifier")
NAMED = re.findall(r"`(test_\w+)::(test_\w+)`", TEXT)


@pytest.mark.parametrize("fault", range(29, 36))
def test_every_fault_of_delivery_has_a_row_with_a_test(fault: int) -> None:
    """FAULTS 29 to 35."""
    (row,) = re.findall(rf"^\| {fault} .*$", TEXT, re.MULTILINE)
    assert "::" in row


@pytest.mark.parametrize(("file", "test"), NAMED)
def test_a_test_that_is_named_exists(file: str, test: str) -> None:
    """The table does not outlive its tests."""
    sources = [ROOT / folder / f"{file}.py" for folder in FOLDERS]
    assert any(f"def {test}(" in path.read_text(encoding="utf-8") for path in sources if path.exists())
