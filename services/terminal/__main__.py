"""The entry point of the command line."""

import signal

signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C before a command listens to it ends this without a traceback

from services.terminal.app import app  # noqa: E402

app(prog_name="sevengate")
