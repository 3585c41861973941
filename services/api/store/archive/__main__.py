"""Closes one month in a process of its own, whose memory goes with it: `python -m services.api.store.archive 2026-05`.

Database, market and folder are those of the environment.  It ends with 1 and a sentence where it could not be done.
"""

from __future__ import annotations

import os
import sys
from typing import Final

import psycopg

from services.api.store.archive.closing import BusyError, MarketArchive, close_month
from services.api.store.archive.files import WrongFileError
from services.api.store.database import first_line
from shared.config.environment import Environment

NICE: Final = 5


def main() -> int:
    """Close the month that the command names."""
    environment = Environment()
    os.nice(NICE)
    place = MarketArchive(environment.database_url.get_secret_value(), environment.market, environment.archive)
    try:
        close_month(place, sys.argv[1])
    except (BusyError, WrongFileError, OSError, psycopg.Error) as error:
        print(first_line(error), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
