"""Write pictures of every page of the dashboard to docs/images: `python -m scripts.screenshots http://127.0.0.1:8710`.

It needs a running Sevengate (a demo with some signals shows most) and a Chromium of the system.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import Literal

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
SIZES = {1440: 900, 1024: 768, 390: 844}
FOLDER = Path(__file__).parents[1] / "docs" / "images"


def main() -> None:
    """Take every picture that was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address")
    parser.add_argument("--to", type=Path, default=FOLDER)
    parser.add_argument("--pages", nargs="*", default=list(PAGES))
    parser.add_argument("--widths", nargs="*", type=int, default=[1440, 390])
    parser.add_argument("--themes", nargs="*", default=["dark", "light"])
    wanted = parser.parse_args()
    wanted.to.mkdir(parents=True, exist_ok=True)
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


def overlay(browser: Browser, address: str, to: Path) -> None:
    """Write the overlay over a picture's grey, with the signals that there are."""
    page = browser.new_page(viewport={"width": 480, "height": 420})
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
