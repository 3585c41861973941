"""Write pictures of every page of the dashboard to docs/images: `python -m scripts.screenshots http://127.0.0.1:8710`.

It needs a running Sevengate, a Chromium of the system, and fonts for all coins' names (`apt-get install
fonts-wqy-microhei` for the Chinese ones).  It waits until there is what the pages show: a signal, an anomaly and an
outcome in the record, which take a demo at `--speed 60` some minutes.
"""

from __future__ import annotations

import argparse
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import httpx
from playwright.sync_api import Browser, Page, sync_playwright

PAGES = {
    "board": "#/board",
    "table": "#/board?view=table",
    "tiles": "#/board?density=tiles",
    "coin": "#/coin/{symbol}",
    "signals": "#/signals",
    "radar": "#/radar",
    "alerts": "#/alerts",
    "watches": "#/watches",
    "record": "#/record",
    "settings": "#/settings",
    "health": "#/health",
    "setup": "#/setup",
}
SHOWN: dict[str, tuple[str, Callable[[Any], int]]] = {  #: what the pages show: where it is, and how many there are
    "signals": ("/api/signals?limit=1", lambda found: len(found["items"])),
    "anomalies": ("/api/anomalies", lambda found: len(found["items"])),
    "outcomes": ("/api/record?days=90", lambda found: found["all"]["n"]),
}
EVERY_SECONDS = 10.0
SIZES = {1440: 900, 1024: 768, 390: 844}
FOLDER = Path(__file__).parents[1] / "docs" / "images"


def main() -> None:
    """Take every picture that was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address")
    parser.add_argument("--to", type=Path, default=FOLDER)
    parser.add_argument("--pages", nargs="*", default=list(PAGES))
    parser.add_argument("--widths", nargs="*", type=int, default=list(SIZES), choices=list(SIZES))
    parser.add_argument("--themes", nargs="*", default=["dark", "light"])
    parser.add_argument("--wait", type=float, default=30, help="minutes for signals, anomalies and outcomes, at most")
    wanted = parser.parse_args()
    wanted.to.mkdir(parents=True, exist_ok=True)
    wait_for_events(wanted.address, wanted.wait)
    program = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        for theme in wanted.themes:
            for width in wanted.widths:
                page = open_board(browser, wanted.address, width, theme)
                symbol = page.locator("[data-symbol]").first.get_attribute("data-symbol") or ""
                for name in wanted.pages:
                    take(page, PAGES[name].format(symbol=symbol), wanted.to / f"{name}-{width}-{theme}.png")
                page.close()
        overlay(browser, wanted.address, wanted.to / "overlay.png")
        browser.close()


def wait_for_events(address: str, minutes: float) -> None:
    """Return when there is one of each that the pages show; print what is still missing."""
    until = time.monotonic() + 60 * minutes
    with httpx.Client(base_url=address, timeout=60) as api:
        while missing := [name for name, (path, count) in SHOWN.items() if not count(api.get(path).json())]:
            left = until - time.monotonic()
            if left <= 0:
                print(f"going on without {', '.join(missing)}")
                return
            print(f"waiting for {', '.join(missing)}, {left / 60:.1f} minutes at most", flush=True)
            time.sleep(min(EVERY_SECONDS, left))


def overlay(browser: Browser, address: str, to: Path) -> None:
    """Write the overlay over a picture's grey, with the signals that there are."""
    page = browser.new_page(viewport={"width": 480, "height": 460})
    page.goto(f"{address}/stream#seconds=86400")
    page.locator("[data-signal]").first.wait_for()
    page.evaluate("document.body.style.background = 'linear-gradient(#3b4a63, #1d2735)'")
    page.wait_for_timeout(500)  # the cards have slid in
    page.screenshot(path=to)
    page.close()


def open_board(browser: Browser, address: str, width: int, theme: str) -> Page:
    """Return the dashboard with its coins shown."""
    scheme: Literal["dark", "light"] = "dark" if theme == "dark" else "light"
    page = browser.new_page(viewport={"width": width, "height": SIZES[width]}, color_scheme=scheme)
    page.on("pageerror", lambda error: print("error on the page:", error))
    page.on("console", lambda message: print("console:", message.text) if message.type == "error" else None)
    page.goto(address)
    page.locator("[data-symbol]").first.wait_for()
    return page


def take(page: Page, place: str, to: Path) -> None:
    """Go to *place* and write its picture when nothing is loading any more."""
    page.evaluate("place => { location.hash = place }", place)
    page.locator(".loading, .skeleton").first.wait_for(state="detached")
    page.wait_for_timeout(500)  # what was fetched is drawn
    page.screenshot(path=to)
    wide = page.evaluate("document.documentElement.scrollWidth") - page.evaluate("innerWidth")
    print(to.name, f"is {wide} points too wide" if wide > 0 else "ok")


if __name__ == "__main__":
    main()
