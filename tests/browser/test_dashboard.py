"""The dashboard in a real browser: it shows what arrives, explains a coin, and keeps hostile text inert."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import msgspec
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from services.api.routes.page import DIST
from services.terminal import stores
from shared.bus import RedisBus
from shared.contracts import SCAN_MS, Message, PriceTick, Stream
from tests.conftest import ROOT
from tests.integration.api import facts

pytestmark = pytest.mark.browser
HOSTILE = '<img src=x onerror="window.hurt=1">'
LATER = facts.SCAN + SCAN_MS


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium of the system."""
    program = next(
        (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
    )
    if program is None:
        pytest.skip("no Chromium (apt-get install chromium)")
    if not (DIST / "index.html").is_file():
        pytest.skip("the dashboard is not built (make setup)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


class Api:
    """The API as a process, and the bus that feeds it."""

    def __init__(self, valkey: str, database: str) -> None:
        port = stores.free_port()
        self.valkey = valkey
        self.address = f"http://127.0.0.1:{port}"
        self.environment = os.environ | {
            "SEVENGATE_REDIS_URL": valkey,
            "SEVENGATE_DATABASE_URL": database,
            "SEVENGATE_API_PORT": str(port),
            "SEVENGATE_CONFIG": "none.yaml",
        }

    def start(self) -> None:
        command = [sys.executable, "-m", "services.api"]
        self.process = subprocess.Popen(command, cwd=ROOT, env=self.environment, stderr=subprocess.DEVNULL)
        _wait_until_up(self.address)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(15)

    def send(self, stream: Stream, *messages: Message) -> None:
        """Publish as another service would."""

        async def publish() -> None:
            bus = RedisBus(self.valkey)
            await bus.publish(stream, messages)
            await bus.close()

        with ThreadPoolExecutor(1) as thread:  # playwright has an event loop in this one
            thread.submit(asyncio.run, publish()).result()


@pytest.fixture
def api(fresh_valkey: str, fresh_database: str) -> Iterator[Api]:
    """The real service over real stores."""
    api = Api(fresh_valkey, fresh_database)
    api.start()
    yield api
    assert api.stop() == 0


def _wait_until_up(address: str) -> None:
    for _ in range(300):
        try:
            if httpx.get(f"{address}/health").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError("the API did not come up")


@pytest.fixture
def page(browser: Browser, api: Api) -> Iterator[Page]:
    """The dashboard, opened; any error on the page fails the test."""
    page = browser.new_page(viewport={"width": 1440, "height": 860})
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.goto(api.address)
    expect(page.get_by_role("status")).to_contain_text("live")
    yield page
    page.close()
    assert not [error for error in errors if "net::ERR" not in error]  # the API was stopped on purpose


def send_a_scan(api: Api) -> None:
    names = [f"C{number:02}USDT" for number in range(30)]
    api.send(Stream.SCANS, facts.opened(facts.SCAN, tuple(names)), facts.settled(facts.SCAN, 30))
    api.send(Stream.SCANS, facts.opened(LATER, tuple(names)))
    decisions = [facts.decision(name, LATER, score=64 - 1.7 * index) for index, name in enumerate(names)]
    api.send(Stream.DECISIONS, *decisions)
    api.send(Stream.DECISIONS_PASSED, facts.decision("AAAUSDT", LATER, passed=True))
    api.send(Stream.SCANS, facts.settled(LATER, 31, passed=1))
    api.send(Stream.TICKS, PriceTick(at=LATER + 1_000, prices={"AAAUSDT": 101.25, "C00USDT": 99.5}))
    api.send(Stream.ALERTS, facts.signal_alert("AAAUSDT", LATER))


def test_scans_and_signals_arrive_without_a_reload(page: Page, api: Api, tmp_path: Path) -> None:
    """Coins are ranked, gates are dots with their figures, the signal appears, then its end."""
    send_a_scan(api)
    rows = page.locator(".table tbody tr")
    expect(rows).to_have_count(31)
    expect(rows.first).to_contain_text("AAAUSDT")
    expect(rows.first.locator(".dots .pass")).to_have_count(7)
    expect(rows.nth(1).locator(".dots .fail")).to_have_attribute(
        "title", "persistence: 1 against 1 (+0.00) · not in the scan before"
    )
    expect(rows.first).to_contain_text("101.25")
    signal = page.locator(".signals li.open")
    expect(signal).to_contain_text("AAAUSDT")
    expect(signal).to_contain_text("+0.30 R")
    rows.first.click()
    details = page.locator(".details")
    expect(details.locator(".gates tr.pass")).to_have_count(7)
    expect(details).to_contain_text("trend")
    assert page.evaluate("document.querySelector('canvas').toDataURL().length") > 3_000, "the chart is drawn"
    page.screenshot(path=os.environ.get("SEVENGATE_SCREENSHOT") or tmp_path / "dashboard.png")
    api.send(Stream.ALERTS, facts.lifecycle_alert("target", opened=LATER))
    expect(page.locator(".signals li.target")).to_contain_text("+2.20 R")


def test_an_open_signals_label_follows_the_price(page: Page, api: Api) -> None:
    """By where it stands between stop, entry and target, tick by tick: it comes, changes and goes."""
    api.send(Stream.ALERTS, facts.signal_alert())
    tags = page.locator(".signals li.open .tag")
    labels = ((99.2, "CAUTION"), (98.6, "DANGER"), (98.0, "SL HIT"), (100.5, ""), (102.2, "MOVED"), (106.0, "TP HIT"))
    for number, (price, label) in enumerate(labels):
        api.send(Stream.TICKS, PriceTick(at=facts.SCAN + 1_000 * (number + 1), prices={"AAAUSDT": price}))
        expect(tags).to_have_text([label] if label else [])


def test_markup_in_a_name_is_text(page: Page, api: Api) -> None:
    """A hostile symbol and a hostile reason are shown as they are written, and do nothing."""
    judged = facts.decision(HOSTILE, LATER, passed=True)
    verdict = msgspec.structs.replace(judged.verdicts[0], reason=HOSTILE)
    api.send(Stream.DECISIONS_PASSED, msgspec.structs.replace(judged, verdicts=(verdict, *judged.verdicts[1:])))
    api.send(Stream.ALERTS, facts.signal_alert(HOSTILE, LATER))
    row = page.locator(".table tbody tr")
    expect(row).to_contain_text(HOSTILE)
    row.click()
    expect(page.locator(".details h2")).to_contain_text(HOSTILE)
    expect(page.locator(".signals ul")).to_contain_text(HOSTILE)
    assert page.locator("img").count() == 0
    assert page.evaluate("window.hurt") is None


def test_the_keyboard_does_what_the_mouse_does(page: Page, api: Api) -> None:
    """Enter on a coin and the space bar on a signal explain it, Escape closes; each row says what it lacks."""
    send_a_scan(api)
    second = page.locator(".table tbody tr").nth(1)
    expect(second.locator("td").last).to_have_text("not in the scan before")
    expect(second.get_by_role("img")).to_have_attribute("aria-label", "6 of 7 gates")
    second.press("Enter")
    expect(page.locator(".details h2")).to_contain_text("C00USDT")
    page.keyboard.press("Escape")
    expect(page.locator(".details")).to_have_count(0)
    page.locator(".signals li.open").press(" ")
    expect(page.locator(".details h2")).to_contain_text("AAAUSDT")


def test_scans_that_stopped_are_told(page: Page, api: Api) -> None:
    """The market's clock goes on and no scan ends: the page says so within a redraw."""
    send_a_scan(api)
    api.send(Stream.TICKS, PriceTick(at=LATER + 4 * SCAN_MS, prices={"AAAUSDT": 101.25}))
    expect(page.get_by_role("status")).to_contain_text("scans are late")


def test_a_phone_shows_signals_first_and_nothing_beside_the_screen(page: Page, api: Api) -> None:
    """At 390 points wide the signals stand above the table, and the page does not scroll sideways; light or dark."""
    page.set_viewport_size({"width": 390, "height": 844})
    send_a_scan(api)
    expect(page.locator(".table tbody tr")).to_have_count(31)
    signals, table = page.locator(".signals").bounding_box(), page.locator(".table").bounding_box()
    assert signals is not None
    assert table is not None
    assert signals["y"] < table["y"]
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    ground = "getComputedStyle(document.body).backgroundColor"
    page.emulate_media(color_scheme="dark")
    dark = page.evaluate(ground)
    page.emulate_media(color_scheme="light")
    assert page.evaluate(ground) != dark


def test_the_page_finds_back_after_a_restart(page: Page, api: Api) -> None:
    """The API goes and comes back; the page says so, and then shows what was recorded before and happened meanwhile."""
    send_a_scan(api)
    expect(page.locator(".table tbody tr")).to_have_count(31)
    api.stop()
    expect(page.get_by_role("status")).to_contain_text("not connected")
    expect(page.locator("main")).to_have_class(re.compile("stale"))
    api.send(Stream.ALERTS, facts.signal_alert("BBBUSDT", LATER))
    api.start()
    expect(page.get_by_role("status")).to_contain_text("live", timeout=15_000)
    expect(page.locator(".table tbody tr")).to_have_count(31)
    expect(page.locator(".signals ul li")).to_have_count(2)
