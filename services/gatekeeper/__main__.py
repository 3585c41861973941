"""The gatekeeper's process: the loop under its lease, and the heartbeat to an outside address."""

from __future__ import annotations

from services.gatekeeper.heartbeat import send_heartbeats
from services.gatekeeper.runtime.loop import NAME, Gatekeeper
from shared.runtime.process import run
from shared.runtime.service import Service
from shared.runtime.stage.loop import run_leased


async def main(service: Service) -> None:
    """Run until the service stops."""
    await run_leased(service, lambda lease: Gatekeeper(service, lease).work(), send_heartbeats(service))


if __name__ == "__main__":
    run(NAME, main)
