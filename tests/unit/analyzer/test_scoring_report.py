"""The scoring report computes scores from stored votes: they are the scores that the analyzer gives."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from services.analyzer.domain import score
from services.analyzer.handler import analyse
from shared.settings import RuntimeSettings
from tests.unit.analyzer import bars

SCRIPTS = Path(__file__).parents[3] / "docs" / "scoring"
SETTINGS = RuntimeSettings()


@pytest.fixture(scope="module")
def scripts() -> Any:
    """Return the walk's and the report's modules; they are scripts, not a package."""
    sys.path.insert(0, str(SCRIPTS))
    yield importlib.import_module("walk"), importlib.import_module("rescore")
    sys.path.remove(str(SCRIPTS))


def test_scores_from_stored_votes_are_the_analyzers(scripts: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Votes stored as cast, and the constants applied to whole columns, give each row's score, side and groups."""
    walk, rescore = scripts
    snapshots = [bars.snapshot(seed=seed, drift=(seed - 6) * 6e-5, derivatives=seed % 3 > 0) for seed in range(12)]
    with monkeypatch.context() as patched:
        for name in ("LOUDNESS", "CEILING"):
            patched.setattr(score, name, dict(getattr(score, name)))
        patched.setattr(score, "VOLATILE_VOLUME", score.VOLATILE_VOLUME)
        walk.as_cast()
        rows = np.array([walk.record(analyse(snapshot, SETTINGS)) for snapshot in snapshots])
    walked = rescore.Walked("AUSDT", rows, {name: at for at, name in enumerate(walk.columns())})
    for at, snapshot in enumerate(snapshots):
        for name, value in rescore.fresh(analyse(snapshot, SETTINGS)).items():
            assert walked[name][at] == pytest.approx(value, rel=1e-9, nan_ok=True), name
    assert {-1.0, 1.0} == set(walked["side"])
