"""Kills the processes that a dead supervisor leaves behind, even after SIGKILL.

Reads `+PID` and `-PID` lines: process groups that began and ended.  When its input ends, the supervisor
is gone, and every group without its `-PID` is killed.  Standard library only: it starts fast.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys


def main() -> None:
    """Follow the supervisor's groups until it ends, then kill those that are left."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin:
        group = int(line[1:])
        groups.add(group) if line[0] == "+" else groups.discard(group)
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    main()
