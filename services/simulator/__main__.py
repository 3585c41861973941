"""The entry point of the simulator."""

import signal

signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C while the rest is imported is no error to be told

from services.simulator.command import main  # noqa: E402

main()
