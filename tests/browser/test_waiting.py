"""What a page shows while its data is on the way."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, Route, expect

pytestmark = pytest.mark.browser

PAGES = {
    "radar": "api/anomalies",
    "alerts": "api/alerts",
    "record": "api/record",
    "health": "api/status",
    "watches": "api/price-alerts",
    "coin/C00USDT": "api/coins/C00USDT?",
}


@pytest.mark.parametrize("name", PAGES)
def test_blocks_stand_where_the_data_will_be(page: Page, name: str) -> None:
    """Blocks fill the place, within the page's width, until the answer comes; then they are gone."""
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route(lambda url: PAGES[name] in url, hold)
    page.goto(f"{page.url.split('#')[0]}#/{name}")
    waiting = page.locator("main .loading").first
    expect(waiting).to_have_attribute("aria-busy", "true")
    expect(waiting.locator("i").first).to_be_visible()
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    for route in held:
        route.continue_()
    held.clear()
    page.unroute_all()
    expect(page.locator("main .loading")).to_have_count(0)
