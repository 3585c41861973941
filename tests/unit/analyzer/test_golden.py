"""Every indicator against values that others published (tests/golden, each file names its source)."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from services.analyzer.domain.chart.window import Window
from services.analyzer.domain.indicator import catalogue

GOLDEN = Path(__file__).parents[2] / "golden"
FILES = sorted(path for path in GOLDEN.glob("*.csv") if any(path.stem.startswith(name) for name in catalogue()))
LEAST_VALUES = 1


def entry_of(path: Path) -> str:
    """Return the entry that *path* is for: its whole name, or what comes before the last underscore."""
    return path.stem if path.stem in catalogue() else path.stem.rpartition("_")[0]


def read(path: Path) -> tuple[float, dict[str, list[str]]]:
    lines = path.read_text(encoding="utf-8").splitlines()
    head = dict(line[2:].split(": ", 1) for line in lines if line.startswith("#"))
    assert head["source"]
    rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    return float(head["tolerance"]), {name: [row[name] for row in rows] for name in rows[0]}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_indicator_equals_its_published_values(path: Path) -> None:
    """An indicator gives what its source published, at every bar for which it did."""
    tolerance, columns = read(path)
    numbers = {name: np.array([float(text) if text else np.nan for text in column]) for name, column in columns.items()}
    rows = [numbers[name] for name in ("open_time", "open", "high", "low", "close", "volume")]
    taker = numbers.get("taker", np.full(len(rows[0]), np.nan))
    entry = catalogue()[entry_of(path)]
    computed = dict(
        zip(
            entry.series,
            entry.compute(Window("5m", np.stack([*rows, np.full(len(rows[0]), np.nan), taker]))),
            strict=True,
        )
    )
    checked = 0
    for name in set(entry.series) & set(numbers):
        given = np.isfinite(numbers[name])
        checked += int(given.sum())
        np.testing.assert_allclose(computed[name][given], numbers[name][given], rtol=0, atol=tolerance, err_msg=name)
    assert checked >= LEAST_VALUES


def test_every_indicator_has_a_golden_file() -> None:
    """Adding an indicator is its file and its golden CSV: one without the other fails."""
    assert {entry_of(path) for path in GOLDEN.glob("*.csv") if entry_of(path)} >= set(catalogue())
