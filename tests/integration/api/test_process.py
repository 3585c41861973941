"""The service as a process: what it does with a configuration that it cannot use."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT


def test_a_wrong_config_refuses_the_start_with_its_line(tmp_path: Path) -> None:
    """Exit code 2, one line a mistake with file and line, and no traceback."""
    config = tmp_path / "config.yaml"
    config.write_text("thresholds:\n  score: high\nfeed:\n  rest_onli: true\n")
    ended = subprocess.run(
        [sys.executable, "-m", "services.api"],
        cwd=ROOT,
        env=os.environ | {"SEVENGATE_CONFIG": str(config)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert ended.returncode == 2
    first, second = ended.stderr.strip().splitlines()
    assert first.startswith(f"{config}:2: thresholds.score: has to be a number")
    assert second.startswith(f"{config}:4: feed.rest_onli: there is no such setting")
