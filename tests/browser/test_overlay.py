"""/stream: signals over a transparent page."""

from __future__ import annotations

import io
from collections.abc import Iterator
from time import time_ns

import msgspec
import pytest
from PIL import Image
from playwright.sync_api import BrowserContext, Page, expect

from shared.contracts import Alert, PriceTick, Stream
from tests.browser.conftest import LATER, Api
from tests.integration.api import facts

pytestmark = pytest.mark.browser


def made_now(symbol: str, scan_id: int = LATER) -> Alert:
    return msgspec.structs.replace(facts.signal_alert(symbol, scan_id), created_at=time_ns() // 1_000_000)


def opacity(page: Page) -> Image.Image:
    """Return how opaque each pixel is, 0 to 255, of the page as OBS takes it."""
    return Image.open(io.BytesIO(page.screenshot(omit_background=True))).convert("RGBA").getchannel("A")


@pytest.fixture
def overlay(context: BrowserContext, api: Api) -> Iterator[Page]:
    """The overlay, connected, for at most two signals."""
    page = context.new_page()
    page.set_viewport_size({"width": 600, "height": 400})
    page.goto(f"{api.address}/stream#max=2&seconds=600")
    page.wait_for_function("() => document.documentElement.dataset.state === 'live'")
    yield page
    page.close()


def test_nothing_is_drawn_while_there_is_no_signal(overlay: Page) -> None:
    """Every pixel is transparent."""
    assert sum(opacity(overlay).histogram()[1:]) == 0


def test_signals_come_with_live_prices_and_labels(overlay: Page, api: Api) -> None:
    """The newest two are shown, their contents change in place; around the cards it stays transparent."""
    for number, name in enumerate(("AAAUSDT", "BBBUSDT", "CCCUSDT")):
        api.send(Stream.ALERTS, made_now(name, LATER + number))
    cards = overlay.locator("[data-signal]")
    expect(cards).to_have_count(2)
    expect(cards.first).to_contain_text("CCC")
    api.send(Stream.DECISIONS_PASSED, facts.decision("CCCUSDT", LATER, passed=True))
    api.send(Stream.TICKS, PriceTick(at=LATER + 1_000, prices={"CCCUSDT": 103.5}))
    expect(cards.first).to_contain_text("MOVED")
    expect(cards.first).to_contain_text("+1.20 R")
    overlay.wait_for_function("() => document.getAnimations().length === 0")  # what moved comes to rest
    around, on_card = opacity(overlay).crop((480, 200, 600, 400)), opacity(overlay).crop((60, 30, 160, 60))
    assert sum(around.histogram()[1:]) == 0
    assert sum(on_card.histogram()[:200]) == 0


def test_a_long_name_cuts_no_figure(overlay: Page, api: Api) -> None:
    """With the longest name that there is, the levels and the reward-to-risk are whole."""
    api.send(Stream.ALERTS, made_now("1000000BABYDOGEUSDT"))
    expect(overlay.locator(".score")).to_contain_text("R:R")
    cut = "[...document.querySelectorAll('li span:not(.name)')].filter(part => part.scrollWidth > part.clientWidth + 1)"
    assert overlay.evaluate(f"{cut}.map(part => part.className)") == []


def test_what_has_expired_is_not_shown(overlay: Page, api: Api) -> None:
    """A signal that was made long ago is none of the overlay's business; a new one beside it is shown."""
    api.send(Stream.ALERTS, facts.signal_alert("OLDUSDT", LATER), made_now("NEWUSDT"))
    expect(overlay.locator("[data-signal]")).to_have_count(1)
    expect(overlay.locator("[data-signal]")).to_contain_text("NEW")


def test_it_survives_a_restart_of_the_api(overlay: Page, api: Api) -> None:
    """What is shown stays without a reload, and what comes after is shown as well."""
    overlay.evaluate("window.same = true")
    api.send(Stream.ALERTS, made_now("AAAUSDT"))
    expect(overlay.locator("[data-signal]")).to_have_count(1)
    api.stop()
    overlay.wait_for_function("() => document.documentElement.dataset.state === 'lost'")
    expect(overlay.locator("[data-signal]")).to_have_count(1)
    api.start()
    overlay.wait_for_function("() => document.documentElement.dataset.state === 'live'")
    api.send(Stream.ALERTS, made_now("BBBUSDT", LATER + 1))
    expect(overlay.locator("[data-signal]")).to_have_count(2)
    assert overlay.evaluate("window.same")
