"""Where a worker process begins; its parent need not import what the channels need."""

from __future__ import annotations


def work(destination: str) -> None:
    """Serve *destination*'s queue."""
    from services.notifier.deliverer.worker import work as serve  # noqa: PLC0415 - loaded once, by the fork server

    serve(destination)
