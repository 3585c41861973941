"""The board: coins as cards and as a table, sorted, filtered, by keyboard; hostile text stays text."""

from __future__ import annotations

import msgspec
import pytest
from playwright.sync_api import Page, expect

from shared.contracts import SCAN_MS, PriceTick, Stream
from tests.browser.conftest import COINS, LATER, Api
from tests.integration.api import facts

pytestmark = pytest.mark.browser
HOSTILE = '<img src=x onerror="window.hurt=1">'


def test_scans_and_signals_arrive_without_a_reload(page: Page, api: Api) -> None:
    """Coins come as cards, best first, with gates as dots and what is missing in words; a signal's end follows."""
    api.send_a_scan()
    cards = page.locator(".cards [data-symbol]")
    expect(cards).to_have_count(31)
    first = cards.first
    expect(first).to_have_attribute("data-symbol", "AAAUSDT")
    expect(first.locator(".dots .pass")).to_have_count(7)
    expect(first).to_contain_text("101.25")
    expect(first).to_contain_text("RSI")
    expect(cards.nth(1).locator(".missing")).to_contain_text("not in the scan before")
    page.goto(f"{api.address}/#/signals")
    row = page.locator(".signal-table tbody tr")
    expect(row).to_contain_text("+0.30 R")
    api.send(Stream.ALERTS, facts.lifecycle_alert("target", opened=LATER))
    expect(row).to_contain_text("+2.20 R")


def test_a_signals_label_follows_the_price(page: Page, api: Api) -> None:
    """By where the price stands between stop, entry and target, tick by tick: it comes, changes and goes."""
    api.send_a_scan()
    card = page.locator('[data-symbol="AAAUSDT"]')
    expect(card).to_be_visible()
    labels = ((99.2, "CAUTION"), (98.6, "DANGER"), (98.0, "SL HIT"), (100.5, ""), (102.9, "MOVED"), (106.0, "TP HIT"))
    for number, (price, label) in enumerate(labels):
        api.send(Stream.TICKS, PriceTick(at=LATER + 2_000 + 1_000 * number, prices={"AAAUSDT": price}))
        expect(card.locator("header .tag")).to_have_text([label] if label else [])


def test_a_mini_chart_is_drawn(page: Page, api: Api) -> None:
    """The chart of a card in sight has something on it; the one of a card far below takes no memory."""
    api.send(Stream.DECISIONS_PASSED, facts.decision("AAAUSDT", LATER, passed=True))
    page.locator("canvas.mini").wait_for()
    page.wait_for_function("() => document.querySelector('canvas.mini').toDataURL().length > 1500")


def test_the_order_stands_still_under_ticks(page: Page, api: Api) -> None:
    """Prices change; which card stands where changes only with a scan."""
    api.send_a_scan()
    expect(page.locator(".cards [data-symbol]")).to_have_count(31)
    names = "[...document.querySelectorAll('.cards [data-symbol]')].map(card => card.dataset.symbol).join()"
    before = page.evaluate(names)
    api.send(Stream.TICKS, PriceTick(at=LATER + 5_000, prices={"C29USDT": 5_000.5}))
    expect(page.locator('[data-symbol="C29USDT"] .price')).to_have_text("5,000.50")
    assert page.evaluate(names) == before


def test_the_focus_stays_with_its_coin(page: Page, api: Api) -> None:
    """A scan puts the best coin last: the button that had the focus has it still, at the coin's new place."""
    api.send_a_scan()
    cards = page.locator(".cards [data-symbol]")
    expect(cards).to_have_count(31)
    page.locator('[data-symbol="C00USDT"] .star').focus()
    again = LATER + SCAN_MS
    api.send(Stream.SCANS, facts.opened(again, COINS))
    decisions = [facts.decision(name, again, score=10 + 1.7 * index) for index, name in enumerate(COINS)]
    api.send(Stream.DECISIONS, *decisions)
    api.send(Stream.SCANS, facts.settled(again, 30))
    expect(cards.nth(30)).to_have_attribute("data-symbol", "C00USDT")
    focused = page.locator("[data-symbol]:focus-within")
    expect(focused).to_have_attribute("data-symbol", "C00USDT")
    expect(focused.locator(".star")).to_be_focused()


@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize("density", ["full", "compact", "tiles"])
def test_a_card_shows_all_it_has(page: Page, api: Api, density: str, width: int) -> None:
    """Cards are of one height: signals, refusals and coins that could not be analysed fit in it."""
    page.set_viewport_size({"width": width, "height": 900})
    api.send_a_scan()
    unknown = facts.analysis("BADUSDT", LATER, score=0.0, problem="not enough bars: 120 of 300 of 4h")
    api.send(Stream.DECISIONS, facts.decision("BADUSDT", LATER, analysis=unknown))
    page.goto(f"{api.address}/#/board?density={density}")
    cards = page.locator(f".cards.{density} [data-symbol]")
    expect(cards).to_have_count(32)
    cards.last.scroll_into_view_if_needed()
    cut = "[...document.querySelectorAll('.card')].filter(card => card.scrollHeight > card.clientHeight).length"
    assert page.evaluate(cut) == 0


def test_a_view_is_in_the_address(page: Page, api: Api) -> None:
    """Sort, filter and density survive in the link; what nothing matches offers the way back."""
    api.send_a_scan()
    page.goto("about:blank")
    page.goto(f"{api.address}/#/board?sort=name&q=C0&density=tiles")
    tiles = page.locator(".cards.tiles [data-symbol]")
    expect(tiles).to_have_count(10)
    expect(tiles.first).to_have_attribute("data-symbol", "C00USDT")
    page.get_by_role("button", name="table").click()
    expect(page).to_have_url(f"{api.address}/#/board?sort=name&q=C0&view=table")
    expect(page.locator(".board-table tbody tr")).to_have_count(10)
    page.get_by_role("searchbox").fill("nothing")
    page.get_by_role("button", name="Show all 31 coins").click()
    expect(page.locator(".board-table tbody tr")).to_have_count(31)


def test_the_keyboard_does_what_the_mouse_does(page: Page, api: Api) -> None:
    """j and k move, f keeps a favourite, / searches, Enter opens, ? lists the keys, Escape closes."""
    api.send_a_scan()
    expect(page.locator(".cards [data-symbol]")).to_have_count(31)
    for key in "jjk":
        page.keyboard.press(key)
    page.keyboard.press("j")
    chosen = page.locator(".card.chosen")
    expect(chosen).to_have_attribute("data-symbol", "C00USDT")
    page.keyboard.press("f")
    expect(chosen.locator(".star")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="★ favourites").click()
    expect(page.locator(".cards [data-symbol]")).to_have_count(1)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Keys")).to_be_hidden()
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.press("Escape")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("C00")


def test_markup_in_a_name_is_text(page: Page, api: Api) -> None:
    """A hostile symbol and a hostile reason are shown literally, and do nothing."""
    judged = facts.decision(HOSTILE, LATER)
    verdict = msgspec.structs.replace(judged.verdicts[-1], reason=HOSTILE)
    api.send(Stream.DECISIONS, msgspec.structs.replace(judged, verdicts=(*judged.verdicts[:-1], verdict)))
    api.send(Stream.ALERTS, facts.signal_alert(HOSTILE, LATER))
    card = page.locator(".card")
    expect(card.locator("h3")).to_have_text(HOSTILE)
    expect(card.locator(".missing")).to_contain_text(HOSTILE)
    card.locator("h3 a").click()
    expect(page.locator("main h1, main h2").first).to_contain_text(HOSTILE)
    assert page.locator("img").count() == 0
    assert page.evaluate("window.hurt") is None


def test_scans_that_stopped_are_told(page: Page, api: Api) -> None:
    """The market's clock goes on and no scan ends: the page says so."""
    api.send_a_scan()
    expect(page.locator(".fresh")).to_have_text("live")
    api.send(Stream.TICKS, PriceTick(at=LATER + 4 * SCAN_MS, prices={"AAAUSDT": 101.25}))
    expect(page.locator(".fresh")).to_contain_text("scans are late")
