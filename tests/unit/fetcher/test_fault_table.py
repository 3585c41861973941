"""docs/feed-faults.md: every fault that the simulator plays is in it, and every test it names exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from services.simulator.faults.faults import KINDS

ROOT = Path(__file__).resolve().parents[3]
TABLE = (ROOT / "docs/feed-faults.md").read_text(encoding="utf-8")
ROWS = [line for line in TABLE.splitlines() if re.match(r"\| \d", line)]
FOLDERS = ("tests/integration/fetcher", "tests/unit/fetcher", "tests/component/gatekeeper", "tests/unit/gatekeeper")


def named() -> list[tuple[str, str]]:
    """Return (file, test) of every test that the table names; `…::test` is in the file named before it."""
    found: list[tuple[str, str]] = []
    for file, test in re.findall(r"`(\w+|…)::(\w+)`", TABLE):
        found.append((found[-1][0] if file == "…" else file, test))
    return found


def source(file: str) -> str:
    """Return the text of a test file, wherever it is."""
    paths = [ROOT / folder / f"{file}.py" for folder in (*FOLDERS, "tests/integration/notifier", "tests/unit/notifier")]
    return "".join(path.read_text(encoding="utf-8") for path in paths if path.exists())


@pytest.mark.parametrize("kind", KINDS)
def test_every_fault_of_the_simulator_is_in_the_table(kind: str) -> None:
    """The row of its entry names it."""
    entry = KINDS[kind][0]
    assert any(row.startswith(f"| {entry} ") and f"`{kind}`" in row for row in ROWS)


def test_every_entry_has_a_row_with_a_test() -> None:
    """Entries 1 to 20, each with at least one named test."""
    for entry in range(1, 21):
        rows = [row for row in ROWS if row.startswith(f"| {entry} ")]
        assert rows
        assert all("::" in row for row in rows)


@pytest.mark.parametrize(("file", "test"), named())
def test_every_test_in_the_table_exists(file: str, test: str) -> None:
    """No test is named that nobody can run."""
    assert f"def {test}(" in source(file)


@pytest.mark.parametrize("kind", KINDS)
def test_every_fault_of_the_simulator_is_played_by_a_test(kind: str) -> None:
    """Over real sockets, in this service's own tests, not in the long run alone."""
    played = "".join(path.read_text(encoding="utf-8") for path in (ROOT / FOLDERS[0]).glob("test_*.py"))
    assert f'"{kind}"' in played
