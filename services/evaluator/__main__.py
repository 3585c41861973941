"""The evaluator's process: the loop under its lease."""

from __future__ import annotations

from services.evaluator.runtime.loop import NAME, Follower
from shared.runtime.process import run
from shared.runtime.service import Service
from shared.runtime.stage.loop import run_leased


async def main(service: Service) -> None:
    """Run until the service stops."""
    await run_leased(service, lambda lease: Follower(service, lease).work())


if __name__ == "__main__":
    run(NAME, main)
