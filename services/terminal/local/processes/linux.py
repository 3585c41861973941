"""What Linux is asked about processes: that they die with their parent, and how `ps` shows them."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

PR_SET_PDEATHSIG: Final = 1
#: fields of /proc/PID/stat behind the name: where the command line begins and ends in memory
ARGUMENTS: Final = slice(45, 47)

_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def die_with_parent() -> None:
    """Ask the kernel to kill this process when the one that forked it ends."""
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def show_as(words: Sequence[str]) -> None:
    """Show *words* as this process's command line, as far as there is room; what is left of the old one is NUL."""
    if _libc is None:
        return
    fields = Path("/proc/self/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    begin, end = (int(field) for field in fields[ARGUMENTS])
    text = b"".join(os.fsencode(word) + b"\0" for word in words)
    if 0 < begin < end:  # hidden where /proc is restricted
        ctypes.memmove(begin, text[: end - begin - 1].ljust(end - begin, b"\0"), end - begin)
