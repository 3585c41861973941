"""Standard output that may be closed (`| head`) or know few characters (`PYTHONIOENCODING=latin-1`)."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

CLOSED: Final = 141  #: exit status of a program whose reader went away, as a shell reports SIGPIPE


@contextmanager
def tolerant_output() -> Iterator[None]:
    """Write what the encoding lacks as escapes; leave quietly when the reader of standard output has gone."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        # what is left in the buffer must not fail once more at the end of the process
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(CLOSED) from None
