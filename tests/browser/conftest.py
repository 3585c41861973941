"""The dashboard in a real browser over the real API; the other services' messages are sent by the tests."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from services.api.routes.page import DIST
from services.notifier.bot.bot_reports import BotReports
from services.terminal.local import listening
from shared.bus import RedisBus
from shared.contracts import SCAN_MS, Message, PriceTick, Stream
from tests.conftest import ROOT
from tests.integration.api import facts

LATER = facts.SCAN + SCAN_MS
expect.set_options(timeout=60_000)  # a busy machine is slow, not wrong
COINS = tuple(f"C{number:02}USDT" for number in range(30))


class Api:
    """The API as a process, and the bus that feeds it."""

    def __init__(self, valkey: str, database: str, folder: Path) -> None:
        port = listening.free_port()
        self.valkey = valkey
        self.folder = folder
        self.address = f"http://127.0.0.1:{port}"
        self.environment = os.environ | {
            "SEVENGATE_REDIS_URL": valkey,
            "SEVENGATE_DATABASE_URL": database,
            "SEVENGATE_API_PORT": str(port),
            "SEVENGATE_CONFIG": "none.yaml",
            "SEVENGATE_DATA_DIR": str(folder),
        }

    def start(self) -> None:
        command = [sys.executable, "-m", "services.api"]
        self.process = subprocess.Popen(command, cwd=ROOT, env=self.environment, stderr=subprocess.DEVNULL)
        _wait_until_up(self.address)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    @property
    def token(self) -> str:
        """The set-up token of this installation."""
        return (self.folder / "api-token").read_text().strip()

    def send(self, stream: Stream, *messages: Message) -> None:
        """Publish as another service would."""

        async def publish() -> None:
            bus = RedisBus(self.valkey)
            await bus.publish(stream, messages)
            await bus.close()

        with ThreadPoolExecutor(1) as thread:  # playwright has an event loop in this one
            thread.submit(asyncio.run, publish()).result()

    def report(self, tell: Callable[[BotReports], Coroutine[Any, Any, None]]) -> None:
        """Leave word of the Telegram bot, as the notifier does."""

        async def write() -> None:
            bus = RedisBus(self.valkey)
            await tell(BotReports(bus))
            await bus.close()

        with ThreadPoolExecutor(1) as thread:
            thread.submit(asyncio.run, write()).result()

    def send_a_scan(self) -> None:
        """Send two scans of thirty coins, the second with a signal of AAAUSDT, and prices."""
        self.send(Stream.SCANS, facts.opened(facts.SCAN, COINS), facts.settled(facts.SCAN, 30))
        self.send(Stream.SCANS, facts.opened(LATER, COINS))
        decisions = [facts.decision(name, LATER, score=64 - 1.7 * index) for index, name in enumerate(COINS)]
        self.send(Stream.DECISIONS, *decisions)
        self.send(Stream.DECISIONS_PASSED, facts.decision("AAAUSDT", LATER, passed=True))
        self.send(Stream.SCANS, facts.settled(LATER, 31, passed=1))
        self.send(Stream.TICKS, PriceTick(at=LATER + 1_000, prices={"AAAUSDT": 101.25, "C00USDT": 99.5}))
        self.send(Stream.ALERTS, facts.signal_alert("AAAUSDT", LATER))


def _wait_until_up(address: str) -> None:
    for _ in range(600):
        try:
            if httpx.get(f"{address}/health").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError("the API did not come up")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium of the system."""
    names = ("chromium", "chromium-browser", "google-chrome")
    program = next((path for name in names if (path := shutil.which(name))), None)
    if program is None:
        pytest.skip("no Chromium (apt-get install chromium)")
    if not (DIST / "index.html").is_file():
        pytest.skip("the dashboard is not built (make setup)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def api(fresh_valkey: str, fresh_database: str, tmp_path: Path) -> Iterator[Api]:
    """The real service over real stores."""
    api = Api(fresh_valkey, fresh_database, tmp_path / "data")
    api.start()
    yield api
    assert api.stop() == 0


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A browser without a past."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(20_000)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext, api: Api) -> Iterator[Page]:
    """The dashboard, opened; any error on the page fails the test."""
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    answers: list[str] = []
    page.on("requestfinished", lambda request: answers.append(request.url))
    page.on("requestfailed", lambda request: answers.append(f"{request.url} failed: {request.failure}"))
    page.goto(api.address)
    if not _shown(page):  # seen twice on a busy machine, and not since it is looked for
        warnings.warn(f"the page stayed blank and is loaded again; errors: {errors}; requests: {answers}", stacklevel=1)
        page.reload()
    expect(page.locator(".fresh")).to_contain_text("waiting for prices")
    yield page
    page.close()
    # a server that was stopped on purpose, and refusals that the page shows in words
    assert not [error for error in errors if "net::ERR" not in error and "Failed to load resource" not in error]


def _shown(page: Page) -> bool:
    """Return whether the page draws itself."""
    try:
        page.locator(".fresh").wait_for(timeout=30_000)
    except PlaywrightTimeout:
        return False
    return True


@pytest.fixture
def owner(page: Page, api: Api) -> Page:
    """The dashboard, signed in with the set-up token as the command line's link does."""
    page.goto("about:blank")
    page.goto(f"{api.address}/#token={api.token}")
    expect(page).to_have_url(f"{api.address}/#/board")
    expect(page.locator(".fresh")).to_contain_text("waiting for prices")
    return page
