"""The demo started from the command line, and the commands that find it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest
import yaml

from services.terminal.local.listening import free_port
from services.terminal.local.processes.linux import die_with_parent
from tests.conftest import ROOT, running
from tests.patience import PATIENCE_S

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("demo"), pytest.mark.timeout(600)]
READY = re.compile(rb"Sevengate is at (http://\[::1\]:\d+)")


@dataclass
class Demo:
    """A running demo."""

    process: subprocess.Popen[bytes]
    environment: dict[str, str]
    log: Path

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the launcher beside the demo."""
        return subprocess.run(
            [sys.executable, "-m", "services.terminal", *words],
            env=self.environment, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False,
        )  # fmt: skip


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A demo of twenty coins in a folder of its own: on IPv6 with a key, and beside a proxy that is dead."""
    folder = tmp_path_factory.mktemp("demo")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SEVENGATE_")}
    environment |= {"SEVENGATE_DATA_DIR": str(folder / "data"), "SEVENGATE_API_PORT": str(free_port("::1"))}
    environment |= {"SEVENGATE_API_HOST": "::1", "SEVENGATE_API_KEY": "a-key-of-the-test-0123456789"}
    environment |= {"HTTP_PROXY": "http://127.0.0.1:9", "ALL_PROXY": "http://127.0.0.1:9"}
    argv = [sys.executable, "-m", "services.terminal", "demo", "--no-browser", "--symbols", "20"]
    log = folder / "log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            argv, env=environment, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=file, stderr=file,
            preexec_fn=die_with_parent,  # noqa: PLW1509 a killed test run leaves nothing behind
        )  # fmt: skip
    started = Demo(process, environment, log)
    try:
        wait_for(started, lambda: READY.search(log.read_bytes()) and b"settled" in log.read_bytes())
        yield started
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)


def wait_for(demo: Demo, reached: object, seconds: float = PATIENCE_S) -> None:
    """Return when *reached* is true; fail with the log when the demo ends or takes too long."""
    deadline = time.monotonic() + seconds
    while not reached():  # type: ignore[operator]
        if demo.process.poll() is not None or time.monotonic() > deadline:
            pytest.fail(demo.log.read_text(errors="replace")[-4_000:])
        time.sleep(0.1)


def test_explain_shows_the_seven_gates_of_a_coin(demo: Demo) -> None:
    """`explain` finds the API of the demo by its folder and shows every gate."""
    wait_for(demo, lambda: demo.run("explain", "BTCUSDT").returncode == 0)
    told = json.loads(demo.run("explain", "BTCUSDT", "--json").stdout)
    assert [gate["gate"] for gate in told["gates"]] == [
        "score", "fmqs", "squeeze", "volume", "groups", "timeframes", "persistence",
    ]  # fmt: skip


def test_a_setting_is_changed_while_it_runs(demo: Demo) -> None:
    """What `config set` sets, `config get` reads; nonsense is refused and changes nothing."""
    assert demo.run("config", "set", "thresholds.score", "71").returncode == 0
    refused = demo.run("config", "set", "thresholds.score", "nonsense")
    assert refused.returncode == 1
    assert "thresholds.score" in refused.stderr
    assert demo.run("config", "get", "thresholds.score").stdout.strip() == "71.0"


def test_a_setting_goes_back_to_config_yaml(demo: Demo) -> None:
    """`config changes` lists what overrides the file, with both values; `config reset` ends it."""
    assert demo.run("config", "set", "thresholds.fmqs", "51").returncode == 0
    listed = [json.loads(line) for line in demo.run("config", "changes", "--json").stdout.splitlines()]
    assert {"path": "thresholds.fmqs", "file": 50.0, "value": 51.0} in listed
    assert "thresholds.fmqs is 51.0 (config.yaml: 50.0)" in demo.run("doctor").stdout
    assert demo.run("config", "reset", "thresholds.fmqs").returncode == 0
    assert demo.run("config", "get", "thresholds.fmqs").stdout.strip() == "50.0"
    refused = demo.run("config", "reset", "thresholds.fmqs")
    assert refused.returncode == 1
    assert "config changes" in refused.stderr


def test_only_the_owner_reads_what_a_demo_writes(demo: Demo) -> None:
    """The data folder is closed to others, and so is every file that holds settings or passwords."""
    folder = Path(demo.environment["SEVENGATE_DATA_DIR"]) / "demo"
    assert folder.stat().st_mode & 0o077 == 0
    open_files = [path for path in folder.iterdir() if path.is_file() and path.stat().st_mode & 0o077]
    assert [path.name for path in open_files] == []


def test_each_services_metrics_are_listed(demo: Demo) -> None:
    """`metrics.json` is what Prometheus reads, and each address in it answers."""
    targets = json.loads((Path(demo.environment["SEVENGATE_DATA_DIR"]) / "demo" / "metrics.json").read_text())
    assert {item["labels"]["service"] for item in targets} >= {"api", "fetcher", "gatekeeper", "analyzer1"}
    for item in targets:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
            f"http://{item['targets'][0]}/metrics", timeout=PATIENCE_S
        ) as answer:
            assert b"sevengate_" in answer.read()


def test_a_sample_alert_arrives(demo: Demo) -> None:
    """`test-alert` prints the sample's result at each destination."""
    answer = demo.run("test-alert", "demo")
    assert answer.returncode == 0, answer.stderr
    assert "sent" in answer.stdout
    refused = demo.run("test-alert", "nobody")
    assert refused.returncode == 2
    assert "nobody" in refused.stderr


def test_the_bus_can_be_looked_at(demo: Demo) -> None:
    """`peek` shows settled scans and takes nothing; there are no dead letters."""

    def kinds() -> set[str]:
        return {json.loads(line)["type"] for line in demo.run("peek", "scans", "--json").stdout.splitlines()}

    wait_for(demo, lambda: "scan_settled/1" in kinds())  # a busy machine may have opened more than it settled
    assert "there are none" in demo.run("dead-letters", "list").stdout
    refused = demo.run("peek", "nothing")
    assert refused.returncode == 1
    assert "snapshots" in refused.stderr


def test_the_way_of_an_alert_can_be_followed(demo: Demo) -> None:
    """`trace` shows each moment from the close to the delivery; an unknown alert gets a sentence."""

    whole = ["exchange", "fetcher", "gatekeeper", "gatekeeper", "deliverer"]
    address = f"http://[::1]:{demo.environment['SEVENGATE_API_PORT']}/api/alerts?kind=signal&limit=5"
    key = {"Authorization": f"Bearer {demo.environment['SEVENGATE_API_KEY']}"}

    def delivered() -> bool:
        for alert in httpx.get(address, headers=key, trust_env=False, timeout=PATIENCE_S).json()["items"]:
            steps = json.loads(demo.run("trace", alert["alert_id"], "--json").stdout)["steps"]
            if [step["stage"] for step in steps] == whole:
                return bool(steps[-1]["what"].startswith("demo (webhook), attempt 1: sent"))
        return False

    for name, value in (("score", "50"), ("fmqs", "40"), ("groups", "2"), ("timeframes", "1")):
        assert demo.run("config", "set", f"thresholds.{name}", value).returncode == 0  # so that something comes soon
    wait_for(demo, delivered)
    missing = demo.run("trace", "no-such-alert")
    assert missing.returncode == 1
    assert "no such alert" in missing.stderr


#: what a market without faults and a day without mutes do not bring
QUIET = re.compile(r"feed_faults|dropped|held back|HELD|cooldown|requests")


def exporters(demo: Demo) -> dict[str, list[str]]:
    """Return the addresses that answer /metrics, by service."""
    found: dict[str, list[str]] = {}
    for process in psutil.Process(demo.process.pid).children(recursive=True):
        try:
            connections = process.net_connections("tcp")
        except psutil.NoSuchProcess:
            continue  # one of rq's short-lived workers
        for port in {one.laddr.port for one in connections if one.status == psutil.CONN_LISTEN}:
            with contextlib.suppress(httpx.HTTPError):
                text = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=2).text
                if named := re.search(r'sevengate_build_info\{service="(\w+)"', text):
                    found.setdefault(named[1], []).append(f"127.0.0.1:{port}")
    return found


def test_every_expression_of_the_boards_answers(demo: Demo, tmp_path: Path) -> None:
    """A real Prometheus that scraped the running demo has data for every panel and evaluates every rule."""
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("prometheus is not installed (apt-get install prometheus)")
    services = {"fetcher", "analyzer", "gatekeeper", "evaluator", "notifier", "deliverer", "api"}
    wait_for(demo, lambda: services <= exporters(demo).keys())
    jobs = [{"targets": targets, "labels": {"service": name}} for name, targets in exporters(demo).items()]
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(ROOT / "deploy/prometheus/rules/*.yml")],
        "scrape_configs": [{"job_name": "sevengate", "static_configs": jobs}],
    }
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config))
    address = f"127.0.0.1:{free_port()}"
    argv = [
        program,
        f"--config.file={tmp_path}/prometheus.yml",
        f"--storage.tsdb.path={tmp_path}/data",
        f"--web.listen-address={address}",
    ]
    with running(argv), httpx.Client(base_url=f"http://{address}/api/v1", timeout=PATIENCE_S) as client:
        boards = [json.loads(path.read_text()) for path in (ROOT / "deploy/grafana/dashboards").glob("*.json")]
        wanted = {
            target["expr"].replace("$__rate_interval", "1m")
            for board in boards for panel in board["panels"] for target in panel["targets"]
            if not QUIET.search(target["expr"])
        }  # fmt: skip
        deadline = time.monotonic() + 300
        demo.run("test-alert", "demo")  # so that there is a delivery in any market
        while wanted and time.monotonic() < deadline:
            time.sleep(0.5)
            wanted = set(unanswered(client, wanted))
        assert wanted == set()
        rules = client.get("/rules").json()["data"]["groups"]
        assert {rule["health"] for group in rules for rule in group["rules"]} == {"ok"}


def unanswered(client: httpx.Client, wanted: set[str]) -> list[str]:
    """Return the expressions that have no data yet; one that Prometheus refuses fails the test."""
    missing = []
    for expression in sorted(wanted):
        try:
            answer = client.get("/query", params={"query": expression})
        except httpx.TransportError:
            return sorted(wanted)  # it is still starting
        if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
            return sorted(wanted)
        assert answer.is_success, f"{expression}: {answer.text}"
        if not answer.json()["data"]["result"]:
            missing.append(expression)
    return missing


def test_ctrl_c_leaves_no_process_behind(demo: Demo) -> None:
    """An interrupt ends everything, says so by its exit code, and frees the folder."""
    children = psutil.Process(demo.process.pid).children(recursive=True)
    assert len(children) > 6
    demo.process.send_signal(signal.SIGINT)
    assert demo.process.wait(30) in {0, 130}
    _, alive = psutil.wait_procs(children, timeout=PATIENCE_S)
    assert not alive
    gone = demo.run("peek", "scans")
    assert gone.returncode == 1
    assert "nothing runs here" in gone.stderr
