"""What analyses take while they are held, as by a gatekeeper that is behind, and what stays once they are dropped.

Run: ``python -m benchmarks.held_analyses [--symbols 600] [--scans 8]``.
"""

from __future__ import annotations

import argparse
import gc

import psutil

from benchmarks.bus import snapshot
from services.analyzer.handler import analyse
from shared.bus import from_wire, to_wire
from shared.runtime.memory import give_back
from shared.settings import RuntimeSettings

DIFFERENT = 50  #: analyses; more would take as much each


def resident() -> float:
    """Return what this process has in memory, MiB."""
    return float(psutil.Process().memory_info().rss) / 2**20


def main() -> None:
    """Print what is held, and what stays without and with giving memory back."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--symbols", type=int, default=600)
    parser.add_argument("--scans", type=int, default=8)
    arguments = parser.parse_args()
    wire = [to_wire(analyse(snapshot(number), RuntimeSettings())) for number in range(DIFFERENT)]
    gc.collect()
    give_back()
    before = resident()
    held = [from_wire(wire[number % DIFFERENT]) for number in range(arguments.symbols * arguments.scans)]
    full = resident()
    del held
    gc.collect()
    kept = resident()
    give_back()
    stays = resident()
    print(f"{arguments.scans} scans of {arguments.symbols} coins held: {full - before:.0f} MiB")
    print(f"dropped: {kept - before:.0f} MiB stay; given back: {stays - before:.0f}")


if __name__ == "__main__":
    main()
