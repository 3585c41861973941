"""Freed memory goes back to the system."""

from __future__ import annotations

import subprocess
import sys

FREED_BETWEEN = """
import numpy as np, psutil
from shared.runtime.memory import give_back
blocks = [np.ones(8_000) for _ in range(1_600)]  # 64 kB each: they lie in the heap, which shrinks from its end alone
last = blocks[-1]
del blocks
before = psutil.Process().memory_info().rss
give_back()
print(before - psutil.Process().memory_info().rss)
"""


def test_what_lies_between_held_blocks_is_given_back() -> None:
    """Of 100 MB that were freed before one block that is held, most goes back."""
    ran = subprocess.run([sys.executable, "-c", FREED_BETWEEN], capture_output=True, text=True, check=True)
    assert int(ran.stdout) > 50_000_000
