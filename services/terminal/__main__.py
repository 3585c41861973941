"""The entry point of the command line."""

import os
import signal
from pathlib import Path

signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C before a command listens to it ends this without a traceback

from services.terminal.app import app  # noqa: E402
from services.terminal.local import dotenv  # noqa: E402
from services.terminal.local.processes.pipes import tolerant_output  # noqa: E402
from shared.network.proxies import past_loopback  # noqa: E402


def main() -> None:
    """Run the command line; the launcher names the project, whose `.env` and folders are the defaults."""
    if project := os.environ.pop("SEVENGATE_PROJECT", ""):
        dotenv.read(Path(project) / ".env", os.environ)
        os.environ.setdefault("SEVENGATE_DATA_DIR", f"{project}/.sevengate")
        os.environ.setdefault("SEVENGATE_CONFIG", f"{project}/config.yaml")
    past_loopback()  # for the services, which inherit it
    with tolerant_output():
        app(prog_name="sevengate")


main()
