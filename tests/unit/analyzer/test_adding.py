"""Adding an indicator or a pattern is one file: no other one is touched for it to reach the API's answer."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from services.analyzer.domain.indicator import catalogue
from services.analyzer.domain.pattern import catalogue as patterns
from services.api import views
from shared.contracts import Analysis, Decision, decode, encode
from tests.unit.analyzer import bars
from tests.unit.analyzer.test_export import file_of

ROOT = Path(__file__).parents[3]
INDICATOR = '''"""Rate of change."""

from services.analyzer.domain.indicator import Indicator
from services.analyzer.domain.numeric import clip, talib

ENTRY = Indicator(
    name="rate_of_change",
    family="momentum",
    series=("rate_of_change",),
    compute=lambda window: (talib.ROC(window.close, 10),),
    warm_up=(10,),
    group="momentum",
    vote=lambda context: clip(context["rate_of_change"] / 5.0),
    definition="Change of the close over 10 bars.",
    parameters="10",
    units="percent",
    source="TA-Lib ROC",
    tradingview="Equal, ta.roc.",
)
'''
PATTERN = '''"""A bar that is there: found everywhere, so that it must be seen."""

from services.analyzer.domain.pattern import Pattern

ENTRY = Pattern(name="any_bar", find=lambda window: 1.0, definition="Always.", source="none")
'''
ANALYSE = """
import sys
from services.analyzer.handler import analyse
from shared.contracts import decode, encode
from shared.settings import RuntimeSettings
sys.stdout.buffer.write(encode(analyse(decode(sys.stdin.buffer.read()), RuntimeSettings())))
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the analyzer with one indicator file and one pattern file more."""
    root = tmp_path_factory.mktemp("house")
    without = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "services" / "analyzer", root / "services" / "analyzer", ignore=without)
    shutil.copytree(ROOT / "shared", root / "shared", ignore=without)
    domain = root / "services" / "analyzer" / "domain"
    (domain / "indicators" / "rate_of_change.py").write_text(INDICATOR, encoding="utf-8")
    (domain / "patterns" / "any_bar.py").write_text(PATTERN, encoding="utf-8")
    return root


def run(root: Path, *words: str, given: bytes = b"") -> bytes:
    return subprocess.run([sys.executable, *words], cwd=root, input=given, capture_output=True, check=True).stdout


def test_an_added_file_reaches_the_apis_answer(copy: Path) -> None:
    """Its values, its vote with a weight, the pattern and its points are in the analysis, and in what the API says."""
    found = decode(run(copy, "-c", ANALYSE, given=encode(bars.snapshot())))
    assert isinstance(found, Analysis)
    decision = Decision(
        decision_id="AUSDT:0",
        analysis=found,
        verdicts=(),
        appeared=False,
        passed=False,
        outcome="rejected",
        settings_version=1,
    )
    answer = views.explanation.explanation(decision)
    for frame in answer["timeframes"]:
        assert isinstance(frame["values"]["rate_of_change"], float)
        assert set(frame["votes"]) >= {*catalogue(), "rate_of_change"} - {"atr"}
        assert frame["weights"]["rate_of_change"] > 0
        assert sum(frame["weights"].values()) == pytest.approx(1.0)
        assert frame["patterns"]["any_bar"] == 1.0
    assert {part["interval"] for part in answer["bonus"] if part["name"] == "any_bar"} == {"15m", "1h", "4h"}


def test_an_added_file_reaches_the_export(copy: Path, tmp_path: Path) -> None:
    """`indicators` over a file of klines shows it, and every other value as before."""
    file_of(tmp_path / "in.csv")
    words = ("-m", "services.analyzer.export", str(tmp_path / "in.csv"), "--json")
    here, there = (json.loads(run(root, *words))["values"] for root in (ROOT, copy))
    assert there.pop("rate_of_change") is not None
    assert there == here
    assert not {"rate_of_change", "any_bar"} & {*catalogue(), *patterns()}
