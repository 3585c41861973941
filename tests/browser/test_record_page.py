"""The record with data, and a coin's chart with bars: what they show, and that no share stands alone."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import httpx
import msgspec
import numpy as np
import pytest
from playwright.sync_api import Page, expect

from services.evaluator.domain import controls
from shared.contracts import HOUR_MS, Outcome, Stream
from tests.browser.conftest import Api
from tests.integration.api import facts
from tests.unit.analyzer.bars import snapshot
from tests.unit.evaluator.facts import GATES, SCAN, ended, trade

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]
DAY = 86_400_000
SIGNALS = 240


def outcomes() -> list[Outcome]:
    """Return two months of signals, controls and near misses; each result is drawn with its forecast's chance."""
    chance = np.random.default_rng(5)
    made: list[Outcome] = []
    for number in range(SIGNALS):
        forecast = float(chance.uniform(0.2, 0.6))
        at = SCAN + number * DAY // 4
        signal = trade(symbol=f"C{number % 20:02}USDT", scan_id=at, forecast=forecast, cost_r=0.14)
        made.append(ended(signal, 1.86 if chance.random() < forecast else -1.14))
        control = msgspec.structs.replace(controls.other_side(signal), cost_r=0.14)
        made.append(ended(control, 1.86 if chance.random() < 0.33 else -1.14))
        near = trade(symbol=f"N{number % 20:02}USDT", scan_id=at, kind="near miss", refused_by=GATES[number % 7])
        made.append(ended(near, 1.86 if chance.random() < 0.3 else -1.14))
    return made


def wait_for_the_record(api: Api, days: int, holds: Callable[[dict[str, Any]], bool]) -> None:
    """Return once the record of *days* is as wanted; the one before is served while it is made."""
    deadline = time.monotonic() + 120
    while not holds(httpx.get(f"{api.address}/api/record?days={days}", timeout=60).json()):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_the_record_shows_results_with_n_and_interval(page: Page, api: Api) -> None:
    """Verdict and what it means, shares as counts, the reliability diagram, lifts of gates, equity in R."""
    api.send(Stream.OUTCOMES, *outcomes())
    for days in (90, 365):
        wait_for_the_record(api, days, lambda record: record["all"]["n"] == SIGNALS)
    page.goto(f"{api.address}/#/record")
    page.get_by_role("button", name="a year").click()
    verdict = page.locator(".verdict")
    expect(verdict).to_contain_text(f"{SIGNALS} signals on 61 days")
    expect(verdict).to_contain_text(re.compile("no edge shown|edge holds|edge in the sample"))
    row = page.get_by_role("row", name=re.compile("^signals"))
    expect(row).to_contain_text(re.compile(rf"\d+ of {SIGNALS} \(\d+ to \d+ %\)"))
    expect(page.locator(".reliability .bin")).to_have_count(10)
    expect(page.get_by_text("Brier score")).to_be_visible()
    expect(page.locator(".equity path")).to_be_visible()
    kept_out = page.locator("section.panel", has=page.get_by_role("heading", name="What each gate kept out"))
    for gate in GATES:
        expect(kept_out.get_by_role("row", name=re.compile(f"^{gate} "))).to_contain_text(" R (")


def test_without_results_the_record_says_so(page: Page, api: Api) -> None:
    """No table of nothing."""
    page.goto(f"{api.address}/#/record")
    expect(page.get_by_role("heading", name="No signal has ended yet")).to_be_visible()
    expect(page.get_by_text("too few yet (0 of 200)")).to_be_visible()


def test_the_radar_shows_what_followed_anomalies(page: Page, api: Api) -> None:
    """Of each horizon that enough is known of: median, middle half, and both shares with their n."""
    after: dict[str, Any] = {"entry": 100.0, "result": "time", "after_1h": -0.001, "after_4h": 0.02}
    followed = [
        trade(
            outcome_id=f"{kind} {number}",
            symbol=f"C{number:02}USDT",
            scan_id=SCAN + number * HOUR_MS,
            ended_at=SCAN + number * HOUR_MS + DAY,
            kind=kind,
            **after,
        )
        for number in range(40)
        for kind in ("anomaly", "anomaly's other moment")
    ]
    api.send(Stream.OUTCOMES, *followed)
    wait_for_the_record(api, 90, lambda record: [one["n"] for one in record["anomalies"]] == [40, 40])
    page.goto(f"{api.address}/#/radar")
    panel = page.get_by_role("region", name="After anomalies")
    expect(panel.get_by_role("row", name=re.compile("^1 h"))).to_contain_text("−0.10 %")
    expect(panel.get_by_role("row", name=re.compile("^4 h"))).to_contain_text("40 of 40 (91 to 100 %)")
    expect(panel.get_by_role("row", name=re.compile("^24 h"))).to_contain_text("no record yet: 0 of 30")


PAINTED = """() => [...document.querySelectorAll('.chart canvas')].some(canvas => {
    const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    return new Set(new Uint32Array(data.buffer)).size > 8;
})"""


def test_a_coins_chart_shows_bars_of_every_interval(page: Page, api: Api) -> None:
    """Candles are painted; a click at a price offers an alert there; the interval stands in the address."""
    bars = snapshot()
    api.send(Stream.SNAPSHOTS, bars)
    api.send(Stream.SCANS, facts.opened(bars.scan_id, (bars.symbol,)))
    api.send(Stream.DECISIONS, facts.decision(bars.symbol, bars.scan_id))
    api.send(Stream.SCANS, facts.settled(bars.scan_id, 1))
    page.goto(f"{api.address}/#/coin/{bars.symbol}")
    page.wait_for_function(PAINTED)
    for interval in ("5m", "1h", "4h"):
        page.get_by_role("button", name=interval, exact=True).click()
        expect(page).to_have_url(re.compile(f"interval={interval}"))
        page.wait_for_function(PAINTED)
    chart = page.locator(".chart").bounding_box()
    assert chart is not None
    page.mouse.click(chart["x"] + chart["width"] / 2, chart["y"] + 120)
    expect(page.get_by_label("Price alert at")).to_have_value(re.compile(r"^\d+(\.\d+)?$"))
