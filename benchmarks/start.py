"""What it takes to begin and to end: wall and processor time of whole commands, as a person types them.

    python -m benchmarks.start [--symbols 135] [--rounds 3]

scan    `scan --once` against a simulated exchange that runs already: until the table, and until the prompt is back;
        with empty stores, where the exchange's limit of weight a minute takes its time, and with the windows that
        the scan before kept
demo    `demo` with its own simulated exchange, set up already: until it says that it is ready
stop    Ctrl-C of that demo, while it scans, until the prompt is back

Processor time is that of all processes of the command, and depends little on what else runs here; the wall clock
depends on it much: measure on an idle machine.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tests.integration.fetcher.conftest import start_simulator

COMMAND = (sys.executable, "-m", "services.terminal")
SETTLED = re.compile(r"gatekeeper +settled")
READY = "ready after"


def processor_time() -> float:
    """Return the processor time of all children that have ended, and theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def scans(symbols: int) -> dict[str, float]:
    """Scan with empty stores, then with kept windows; return the seconds."""
    simulator, exchange = start_simulator("--symbols", str(symbols), "--speed", "1")
    try:
        with tempfile.TemporaryDirectory() as folder:
            environment = os.environ | {
                "SEVENGATE_DATA_DIR": folder,
                "SEVENGATE_CONFIG": f"{folder}/config.yaml",
                "SEVENGATE_BINANCE_REST_URL": exchange.url,
                "SEVENGATE_BINANCE_WS_URL": exchange.ws_url,
                "SEVENGATE_FEAR_GREED_URL": f"{exchange.url}/fng/",
            }
            return scan("empty", environment, symbols) | scan("kept", environment, symbols)
    finally:
        simulator.terminate()
        simulator.wait()


def scan(stores: str, environment: dict[str, str], symbols: int) -> dict[str, float]:
    """Scan once; return the seconds under names that say what was in the *stores*."""
    before, began = processor_time(), time.monotonic()
    with subprocess.Popen(
        [*COMMAND, "scan", "--once", "--quiet"], env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline(), "there is no table"
        table = time.monotonic() - began
        rows = process.stdout.read().count("USDT")
    prompt = time.monotonic() - began
    assert process.returncode == 0
    assert rows == symbols, f"{rows} coins of {symbols}"
    figures = {"table": table, "prompt": prompt, "CPU": processor_time() - before}
    return {f"scan, {stores}: {name}": seconds for name, seconds in figures.items()}


def demo() -> dict[str, float]:
    """Start the demo, let it scan, stop it; return the seconds."""
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"SEVENGATE_DATA_DIR": folder, "SEVENGATE_CONFIG": f"{folder}/config.yaml"}
        before, began = processor_time(), time.monotonic()
        with subprocess.Popen(
            [*COMMAND, "demo", "--no-browser"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as process:
            lines = _lines(process)
            next(line for line in lines if READY in line)
            ready = time.monotonic() - began
            next(line for line in lines if SETTLED.search(line))
            process.send_signal(signal.SIGINT)
            asked = time.monotonic()
            for _ in lines:
                pass
            process.wait()
        stopped = time.monotonic() - asked
        assert process.returncode == 0
        return {"demo: ready": ready, "demo: Ctrl-C to prompt": stopped, "demo: CPU": processor_time() - before}


@contextmanager
def _ended_with_us(process: subprocess.Popen[str]) -> Iterator[None]:
    try:
        yield
    finally:
        process.kill()


def _lines(process: subprocess.Popen[str]) -> Iterator[str]:
    """Yield the command's lines; end it should the measurement fail."""
    assert process.stdout is not None
    with _ended_with_us(process):
        yield from process.stdout


def show(rounds: Sequence[dict[str, float]]) -> None:
    """Print the median and the range of each figure."""
    for name in rounds[0]:
        values = [each[name] for each in rounds]
        print(f"{name:24} {statistics.median(values):6.2f} s   ({min(values):.2f} to {max(values):.2f})")


def main() -> None:
    """Measure both commands in turn."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--symbols", type=int, default=135)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    print(f"{arguments.rounds} rounds, {arguments.symbols} coins to scan, load average {os.getloadavg()[0]:.1f}")
    show([scans(arguments.symbols) | demo() for _ in range(arguments.rounds)])


if __name__ == "__main__":
    main()
