"""An API of two markets: the page shows one, and changes to the other."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from shared.config.environment import MARKET
from tests.browser.conftest import Api

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]
OTHER = "okx-swap"


def test_the_market_is_chosen_on_the_page_and_stands_in_the_address(page: Page, api: Api) -> None:
    """The other market has no coins: its board is empty, and its address can be shared."""
    api.stop()
    api.environment["SEVENGATE_API_MARKETS"] = f"{MARKET},{OTHER}"
    api.start()
    api.send_a_scan()
    page.goto(f"{api.address}/#/board")
    expect(page.locator("[data-symbol]").first).to_be_visible()
    page.get_by_label("Market").select_option(OTHER)
    expect(page).to_have_url(re.compile(rf"\?market={OTHER}#/board"))
    expect(page.get_by_label("Market")).to_have_value(OTHER)
    expect(page.locator("[data-symbol]")).to_have_count(0)
    page.get_by_label("Market").select_option(MARKET)
    expect(page.locator("[data-symbol]").first).to_be_visible()


def test_with_one_market_there_is_nothing_to_choose(page: Page, api: Api) -> None:
    """No control without a choice."""
    api.send_a_scan()
    page.goto(f"{api.address}/#/board")
    expect(page.locator("[data-symbol]").first).to_be_visible()
    expect(page.get_by_label("Market")).to_have_count(0)
