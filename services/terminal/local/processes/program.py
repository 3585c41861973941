"""Turns into a service's program: `python -m THIS services.fetcher.history list`."""

from __future__ import annotations

import runpy
import sys

from services.terminal.local.processes.pipes import tolerant_output


def main() -> None:
    """Run the named module with the remaining arguments; its output behaves as this command line's."""
    name = sys.argv[1]
    sys.argv[:] = sys.argv[1:]
    with tolerant_output():
        runpy.run_module(name, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
