"""The live layer: one connection for all tabs, and a page that finds back by itself."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from shared.contracts import PriceTick, Stream
from tests.browser.conftest import LATER, Api
from tests.integration.api import facts

pytestmark = pytest.mark.browser


def test_the_page_finds_back_after_a_restart(page: Page, api: Api) -> None:
    """The API goes and comes back: the data stays with its age, then what happened meanwhile is shown."""
    api.send_a_scan()
    expect(page.locator(".cards [data-symbol]")).to_have_count(31)
    api.stop()
    expect(page.locator(".fresh")).to_contain_text(re.compile(r"not connected, prices \d+ s old"))
    expect(page.locator("main")).to_have_class(re.compile("stale"))
    expect(page.locator(".cards [data-symbol]")).to_have_count(31)
    api.send(Stream.ALERTS, facts.signal_alert("BBBUSDT", LATER))
    api.start()
    expect(page.locator("main")).not_to_have_class(re.compile("stale"), timeout=30_000)
    expect(page.locator(".cards [data-symbol]")).to_have_count(31)
    page.goto(f"{api.address}/#/signals")
    expect(page.locator(".signal-table tbody tr")).to_have_count(2)


def test_all_tabs_share_one_connection(page: Page, context: BrowserContext, api: Api) -> None:
    """A second tab shows everything without an event stream of its own, and takes over when the first closes."""
    api.send_a_scan()
    expect(page.locator(".cards [data-symbol]")).to_have_count(31)
    second = context.new_page()
    streams: list[str] = []
    second.on("request", lambda request: streams.append(request.url) if "/api/events" in request.url else None)
    second.goto(api.address)
    expect(second.locator(".cards [data-symbol]")).to_have_count(31)
    api.send(Stream.TICKS, PriceTick(at=LATER + 5_000, prices={"AAAUSDT": 104.5}))
    for tab in (page, second):
        expect(tab.locator('[data-symbol="AAAUSDT"] .price')).to_contain_text("104.5")
    assert not streams
    with second.expect_request("**/api/events"):
        page.close()
    api.send(Stream.TICKS, PriceTick(at=LATER + 6_000, prices={"AAAUSDT": 105.5}))
    expect(second.locator('[data-symbol="AAAUSDT"] .price')).to_contain_text("105.5")


def test_r_takes_a_new_snapshot_and_asks_for_newer_data(owner: Page, api: Api) -> None:
    """R reads the board again and posts the wish; the page says what was asked."""
    api.send_a_scan()
    expect(owner.locator(".cards [data-symbol]")).to_have_count(31)
    with owner.expect_request("**/api/coins"), owner.expect_response("**/api/refresh") as answer:
        owner.keyboard.press("r")
    assert answer.value.status == 202
    expect(owner.locator(".notes")).to_contain_text("Asked for newer data")


def test_sounds_are_opt_in_and_only_for_what_is_new(page: Page, api: Api) -> None:
    """A signal that was made long ago is silent; one that is made now sounds, when it was asked for."""
    page.evaluate("document.addEventListener('sevengate-sound', e => (window.heard ??= []).push(e.detail))")
    page.goto(f"{api.address}/#/settings")
    page.get_by_label("new signal", exact=True).check()
    page.get_by_role("button", name="test the sound of a new signal").click()
    page.wait_for_function("() => window.heard?.join() === 'signal'")
    api.send(Stream.ALERTS, facts.signal_alert("OLDUSDT", LATER))
    page.goto(f"{api.address}/#/signals")
    expect(page.locator(".signal-table")).to_contain_text("OLD")
    assert page.evaluate("window.heard.length") == 1
