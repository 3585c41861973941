"""An empty bus on which the API has spoken."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from shared.bus import RedisBus
from shared.runtime.logging import configure_logging
from tests.component.gatekeeper.running import begin


@pytest.fixture(autouse=True, scope="session")
def logging() -> None:
    """Log as a service does; structlog's own default draws pages of variables for every error."""
    configure_logging("info", "console")


@pytest.fixture
async def bus(fresh_valkey: str) -> AsyncIterator[RedisBus]:
    """An empty bus on which the API has spoken."""
    made = RedisBus(fresh_valkey)
    await begin(made)
    yield made
    await made.close()
