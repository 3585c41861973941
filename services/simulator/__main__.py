"""The entry point of the simulator."""

import signal

signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C during the imports below is no error

from services.simulator.command import main  # noqa: E402

main()
