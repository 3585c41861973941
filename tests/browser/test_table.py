"""The board as a table of 600 coins: only the rows in sight are in the document, and nothing is out of reach."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, Page, expect

from shared.contracts import SCAN_MS, Stream
from tests.browser.conftest import LATER, Api
from tests.integration.api import facts

pytestmark = pytest.mark.browser
MANY = tuple(f"C{number:03}USDT" for number in range(600))
MOST = 60  #: rows in the document, of a screen 900 points high
WITHIN = """row => {
  const box = row.closest('.board-scroll').getBoundingClientRect();
  const at = row.getBoundingClientRect();
  const head = document.querySelector('.board-table thead').getBoundingClientRect();
  return at.top >= head.bottom - 1 && at.bottom <= box.bottom + 1;
}"""


def _judge(api: Api, scan_id: int, best_first: bool = True) -> None:
    """Send a scan in which the coins rank by their numbers."""
    api.send(Stream.SCANS, facts.opened(scan_id, MANY))
    ranked = MANY if best_first else MANY[::-1]
    api.send(Stream.DECISIONS, *[facts.decision(name, scan_id, score=64 - 0.1 * at) for at, name in enumerate(ranked)])
    api.send(Stream.SCANS, facts.settled(scan_id, len(MANY)))


@pytest.fixture
def table(page: Page, api: Api) -> Locator:
    """The table of 600 coins."""
    _judge(api, LATER)
    page.evaluate("location.hash = '#/board?view=table'")
    table = page.locator(".board-table")
    expect(table).to_have_attribute("aria-rowcount", "601")
    expect(_row(page, "C000USDT")).to_be_visible()
    return table


def _row(page: Page, symbol: str) -> Locator:
    return page.locator(f'.board-table [data-symbol="{symbol}"]')


def _in_sight(page: Page, symbol: str) -> None:
    """Wait until the coin's row stands whole between the head and the foot of the table."""
    row = _row(page, symbol)
    row.wait_for()
    page.wait_for_function(f"symbol => ({WITHIN})(document.querySelector(`tr[data-symbol=${{symbol}}]`))", arg=symbol)


def test_the_last_coin_is_reached_by_keys(page: Page, table: Locator) -> None:
    """End and Home at once, j row by row; few rows are in the document, each with its number."""
    assert table.locator("[data-symbol]").count() < MOST
    page.keyboard.press("End")
    _in_sight(page, "C599USDT")
    expect(_row(page, "C599USDT")).to_have_attribute("aria-rowindex", "601")
    assert table.locator("[data-symbol]").count() < MOST
    page.keyboard.press("Home")
    _in_sight(page, "C000USDT")
    for _ in range(60):
        page.keyboard.press("j")
    _in_sight(page, "C059USDT")
    expect(table.locator(".chosen")).to_have_attribute("data-symbol", "C059USDT")
    for _ in range(40):
        page.keyboard.press("k")
    _in_sight(page, "C019USDT")
    page.keyboard.press("f")
    expect(_row(page, "C019USDT").locator(".star")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("C019")


def test_the_last_coin_is_reached_by_the_wheel(page: Page, table: Locator) -> None:
    """Rows come and go while it turns; the head stays above them, the coins' names beside them."""
    page.mouse.move(700, 500)
    for _ in range(80):
        page.mouse.wheel(0, 300)
    _in_sight(page, "C599USDT")
    assert table.locator("[data-symbol]").count() < MOST
    expect(table.get_by_role("columnheader", name="Price")).to_be_in_viewport()
    page.set_viewport_size({"width": 390, "height": 844})
    page.locator(".board-scroll").evaluate("box => box.scrollTo(400, box.scrollHeight)")
    expect(_row(page, "C599USDT").get_by_role("link")).to_be_in_viewport()


def test_the_focus_is_kept_out_of_sight(page: Page, api: Api, table: Locator) -> None:
    """A star that has the focus has it still when its row was scrolled away, and after a scan that puts it last."""
    star = _row(page, "C002USDT").locator(".star")
    star.focus()
    page.mouse.move(700, 500)
    for _ in range(30):
        page.mouse.wheel(0, 300)
    _in_sight(page, "C270USDT")
    expect(star).to_be_focused()
    assert table.locator("[data-symbol]").count() < MOST
    _judge(api, LATER + SCAN_MS, best_first=False)
    expect(_row(page, "C002USDT")).to_have_attribute("aria-rowindex", "599")
    expect(star).to_be_focused()
    page.keyboard.press("Tab")
    expect(_row(page, "C002USDT").get_by_role("link")).to_be_focused()
    _in_sight(page, "C002USDT")


def test_a_search_finds_what_is_out_of_sight(page: Page, table: Locator) -> None:
    """From the end of the table: what is left of it is shown from its beginning."""
    page.keyboard.press("End")
    _in_sight(page, "C599USDT")
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("C30")
    expect(table).to_have_attribute("aria-rowcount", "11")
    expect(table.locator("[data-symbol]")).to_have_count(10)
    _in_sight(page, "C300USDT")
    page.get_by_role("button", name="clear").click()
    expect(table).to_have_attribute("aria-rowcount", "601")
    page.locator(".toolbar select").first.select_option("name")
    _in_sight(page, "C000USDT")


def test_a_coin_that_was_not_analysed_says_why(page: Page, api: Api) -> None:
    """In the column of the record, where an analysed one has its own."""
    unknown = facts.analysis("BADUSDT", LATER, score=0.0, problem="not enough bars: 120 of 300 of 4h")
    api.send(Stream.DECISIONS, facts.decision("BADUSDT", LATER, analysis=unknown))
    page.evaluate("location.hash = '#/board?view=table'")
    expect(_row(page, "BADUSDT")).to_contain_text("not analysed: not enough bars")
