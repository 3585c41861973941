"""What the tests of backtests share."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder of the test's own, without a config.yaml."""
    monkeypatch.setenv("SEVENGATE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("SEVENGATE_CONFIG", str(tmp_path / "config.yaml"))
    return tmp_path / "data"
