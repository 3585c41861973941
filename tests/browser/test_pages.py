"""Every page at every width, dark and light: nothing beside the screen, and no serious fault for assistive programs."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Page, expect

from shared.contracts import PriceTick, Stream
from tests.browser.conftest import LATER, Api
from tests.conftest import ROOT
from tests.integration.api import facts

pytestmark = pytest.mark.browser
AXE = ROOT / "services/api/web/node_modules/axe-core/axe.min.js"
PAGES = {
    "board": "[data-symbol]",
    "board?view=table": ".board-table tbody tr",
    "board?density=tiles": ".tiles [data-symbol]",
    "coin/AAAUSDT": ".coin-head",
    "signals": ".signal-table tbody tr",
    "signals/AAAUSDT:long:1757000400000": ".life .time-line",
    "radar": ".radar-page h1",
    "alerts": ".alert-list li",
    "watches": ".inline-form",
    "settings": "[data-setting]",
    "health": ".tile",
    "setup": ".steps",
}
SERIOUS = """async () => (await axe.run(document, {resultTypes: ['violations']})).violations
    .filter(found => ['serious', 'critical'].includes(found.impact))
    .map(found => found.id + ': ' + found.nodes.map(node => `${node.target} ${node.failureSummary}`).join(' | '))"""


def _go(page: Page, place: str) -> None:
    page.evaluate("place => { location.hash = '#/' + place }", place)
    expect(page.locator(PAGES[place]).first).to_be_visible()


def _fill(page: Page, api: Api) -> None:
    api.send_a_scan()
    api.send(Stream.DELIVERIES, facts.report("signal:AAAUSDT:long:1757000400000"))
    expect(page.locator("[data-symbol]")).to_have_count(31)


@pytest.mark.parametrize("width", [1440, 1024, 390])
def test_no_page_is_wider_than_the_screen(page: Page, api: Api, width: int) -> None:
    """On a desk, on a tablet and on a phone; dark and light differ."""
    page.set_viewport_size({"width": width, "height": 844})
    _fill(page, api)
    for place in PAGES:
        _go(page, place)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, place
    ground = "getComputedStyle(document.body).backgroundColor"
    grounds = set()
    themes: tuple[Literal["dark", "light"], ...] = ("dark", "light")
    for theme in themes:
        page.emulate_media(color_scheme=theme)
        expect(page.locator("html")).to_have_attribute("data-theme", theme)
        grounds.add(page.evaluate(ground))
    assert len(grounds) == 2


def test_a_tablet_shows_whole_signals(page: Page, api: Api) -> None:
    """With a long name, an invalidation and a label at once, the list need not be moved sideways."""
    page.set_viewport_size({"width": 1024, "height": 768})
    api.send(Stream.DECISIONS_PASSED, facts.decision("1000000MOGUSDT", LATER, passed=True))
    api.send(Stream.ALERTS, facts.signal_alert("1000000MOGUSDT", LATER))
    api.send(Stream.TICKS, PriceTick(at=LATER + 1_000, prices={"1000000MOGUSDT": 99.2}))
    api.send(
        Stream.ALERTS, facts.signal_alert("BBBUSDT", LATER), facts.lifecycle_alert("invalidated", "BBBUSDT", LATER)
    )
    page.evaluate("location.hash = '#/signals'")
    expect(page.locator(".signal-table tr.open")).to_contain_text("CAUTION")
    expect(page.locator(".signal-table tr.invalidated")).to_be_visible()
    assert page.evaluate("(list => list.scrollWidth - list.clientWidth)(document.querySelector('.scroll'))") == 0


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_axe_finds_nothing_serious(page: Page, api: Api, theme: Any) -> None:
    """Names, roles, contrast and order on every page."""
    if not AXE.is_file():
        pytest.skip("axe-core is not installed (make setup)")
    page.emulate_media(color_scheme=theme)
    _fill(page, api)
    page.evaluate(Path(AXE).read_text())
    found = {}
    for place in PAGES:
        _go(page, place)
        if serious := page.evaluate(SERIOUS):
            found[place] = serious
    assert not found


def test_a_page_that_cannot_be_loaded_says_so(page: Page, api: Api) -> None:
    """Its part of the program comes when it is opened; the server may be away, or newer than the tab."""
    page.route("**/assets/Settings-*.js", lambda route: route.abort())
    page.evaluate("location.hash = '#/settings'")
    failed = page.get_by_role("alert")
    expect(failed).to_contain_text("could not be loaded")
    page.unroute_all()
    failed.get_by_role("button", name="Try again").click()
    expect(page.locator("[data-setting]").first).to_be_visible()
