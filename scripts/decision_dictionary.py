"""Add a dictionary for whole decisions, made of those that a demo in DIR (its data folder) stored.

Run as ``python scripts/decision_dictionary.py DIR`` where decisions have got other names in them than the newest knows.
"""

from __future__ import annotations

import sys
from pathlib import Path

import zstandard

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.stored_decisions import decisions_of
from services.api.store.ladder.record import DICTIONARIES
from shared.contracts import encode

BYTES = 16_384  #: larger ones gained nothing
SAMPLES = 4_000


def main() -> None:
    """Train, write, say."""
    decisions = decisions_of(Path(sys.argv[1]))
    step = max(1, len(decisions) // SAMPLES)
    made = zstandard.train_dictionary(BYTES, [encode(one) for one in decisions[::step]])
    number = 1 + max((int(path.stem) for path in DICTIONARIES.glob("*.zdict")), default=0)
    path = DICTIONARIES / f"{number}.zdict"
    path.write_bytes(made.as_bytes())
    print(f"{path}: of {len(decisions[::step])} decisions")


if __name__ == "__main__":
    main()
