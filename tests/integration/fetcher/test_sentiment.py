"""The Fear & Greed index over HTTP: asked for rarely, kept, and never in anybody's way."""

from __future__ import annotations

import time

import pytest
from aiohttp import web

from services.fetcher.feed import fear_greed as sentiment
from services.fetcher.feed.fear_greed import TOO_OLD_MS, FearAndGreed

from .conftest import listening

GOOD = '{"data":[{"value":"28","value_classification":"Fear","timestamp":"1784419200"}]}'


async def test_what_was_had_is_kept_through_every_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Errors, pages and nonsense before and after: nothing is raised, the last good value stays for two days."""
    monkeypatch.setattr(sentiment, "RETRY_S", 0.0)
    monkeypatch.setattr(sentiment, "KEPT_S", 0.0)
    says = [(500, ""), (200, "<html>"), (200, GOOD), (503, ""), (200, '{"data":[]}'), (200, GOOD.replace("28", "280"))]
    values: list[int | None] = []

    async def answer(_: web.Request) -> web.Response:
        status, text = says[len(values)]
        return web.Response(status=status, text=text)

    async with listening(answer) as address:
        index = FearAndGreed(f"http://{address}/fng/")
        for _ in says:
            await index.refresh()
            values.append(index.newest.value if index.newest else None)
    assert values == [None, None, 28, 28, 28, 28]
    await index.refresh()  # nobody answers any more
    assert index.newest is not None
    later = time.time() + TOO_OLD_MS / 1_000 + 60
    monkeypatch.setattr(time, "time", lambda: later)
    assert index.newest is None


async def test_it_is_asked_for_once_an_hour_and_after_a_failure_in_five_minutes() -> None:
    """However often the fetcher looks."""
    asked: list[float] = []
    now = 1_000.0

    async def answer(_: web.Request) -> web.Response:
        asked.append(now)
        return web.Response(status=500) if len(asked) == 1 else web.Response(text=GOOD)

    async with listening(answer) as address:
        index = FearAndGreed(f"http://{address}/fng/", lambda: now)
        for minutes in range(130):
            now = 1_000.0 + 60 * minutes
            await index.refresh()
    assert [(at - 1_000) / 60 for at in asked] == [0, 5, 65, 125]
