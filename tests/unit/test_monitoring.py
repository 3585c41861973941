"""Prometheus' rules and Grafana's boards: tested, explained, and asking only for metrics that there are."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from functools import cache
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY

from shared import metrics
from tests.conftest import ROOT

FOLDER = ROOT / "deploy" / "prometheus"
OURS = re.compile(r"\bsevengate_\w+")


@cache
def rules() -> list[dict[str, Any]]:
    """Every alert rule."""
    files = [yaml.safe_load(path.read_text()) for path in (FOLDER / "rules").glob("*.yml")]
    return [rule for file in files for group in file["groups"] for rule in group["rules"]]


def known_metrics() -> set[str]:
    """The names of all series that the services export."""
    assert metrics.BUILD is not None
    return {sample for metric in REGISTRY.collect() for sample in _series(metric.name, metric.type)}


def _series(name: str, kind: str) -> list[str]:
    match kind:
        case "counter":
            return [f"{name}_total"]
        case "histogram":
            return [f"{name}_{part}" for part in ("bucket", "sum", "count")]
        case "info":
            return [f"{name}_info"]
        case _:
            return [name]


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_a_rule_asks_for_what_is_exported(rule: dict[str, Any]) -> None:
    """A renamed metric must not silence an alert."""
    assert set(OURS.findall(rule["expr"])) <= known_metrics()


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_a_rule_is_explained(rule: dict[str, Any]) -> None:
    """Each has a severity, a summary, a description, and a section in the runbook that its link names."""
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert rule["annotations"]["summary"]
    assert rule["annotations"]["description"]
    assert rule["annotations"]["runbook"] == f"docs/runbook.md#{rule['alert'].lower()}"
    assert f"\n## {rule['alert']}\n" in (ROOT / "docs" / "runbook.md").read_text()


def panels() -> list[tuple[str, dict[str, Any]]]:
    """Every panel of Grafana's boards, with its board's title."""
    boards = [json.loads(path.read_text()) for path in sorted((ROOT / "deploy/grafana/dashboards").glob("*.json"))]
    return [(f"{board['title']}: {panel['title']}", panel) for board in boards for panel in board["panels"]]


@pytest.mark.parametrize("panel", [panel for _, panel in panels()], ids=[name for name, _ in panels()])
def test_a_panel_says_what_it_shows(panel: dict[str, Any]) -> None:
    """Title, description, unit, the fixed data source, a legend; rates over the interval that Grafana chooses."""
    assert panel["title"]
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"]
    for target in panel["targets"]:
        assert target["datasource"] == panel["datasource"] == {"type": "prometheus", "uid": "sevengate-prometheus"}
        assert target["legendFormat"]
        assert set(OURS.findall(target["expr"])) <= known_metrics()
        assert len(re.findall(r"\brate\(", target["expr"])) == target["expr"].count("[$__rate_interval]")


def test_every_service_has_a_board() -> None:
    """One overview, one of the signals, one a service; provisioning names the same data source."""
    uids = {path.stem for path in (ROOT / "deploy/grafana/dashboards").glob("*.json")}
    services = {"fetcher", "analyzer", "gatekeeper", "evaluator", "notifier", "api"}
    assert uids == {f"sevengate-{name}" for name in {"overview", "signals", *services}}
    source = yaml.safe_load((ROOT / "deploy/grafana/provisioning/datasources/prometheus.yml").read_text())
    assert source["datasources"][0]["uid"] == "sevengate-prometheus"


def test_every_rule_is_seen_firing_and_quiet() -> None:
    """The promtool tests hold a case where it fires and one where it does not."""
    cases = yaml.safe_load((FOLDER / "tests" / "sevengate.yml").read_text())["tests"]
    checks = [check for case in cases for check in case["alert_rule_test"]]
    names = {rule["alert"] for rule in rules()}
    assert {check["alertname"] for check in checks if check["exp_alerts"]} == names
    assert {check["alertname"] for check in checks if not check["exp_alerts"]} == names


def test_the_page_about_metrics_is_generated() -> None:
    """docs/metrics.md is exactly what scripts/metrics_doc.py writes."""
    made = subprocess.run([sys.executable, "scripts/metrics_doc.py", "--check"], cwd=ROOT, check=False)
    assert made.returncode == 0


def test_promtool_agrees() -> None:
    """Prometheus' own tool runs the rules' tests."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (apt-get install prometheus)")
    done = subprocess.run(
        [promtool, "test", "rules", str(FOLDER / "tests" / "sevengate.yml")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
