"""What the board costs a browser: `python -m benchmarks.dashboard --cards 150 600 --seconds 30`.

A small server gives the built page the API's own board of made-up coins and its events, compressed and with an ETag as
the API's answers are: a tick of every price each
second, and a scan every ten seconds that puts all coins in another order (`--ticks`, `--scan-every`; with `--hours 8`
as many of both as eight hours bring, at the rate of `--ticks`).  Measured in the system's Chromium:

- the first card, from the request: processor time of the page's main thread, and the wall clock
- the longest task of that thread in processor time (the trace's thread clock, which other programs lengthen far less
  than the wall clock), what it was made of, and how many were longer than 50 ms
- of the table (`--view view=table`), the same while it is scrolled by the wheel and by End and Home
- the same of a page that draws all of the same cards anew at each tick, for comparison within the run
- the thread's processor time as a share of a core; the heap, elements and listeners after a collection
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import hashlib
import mimetypes
import os
import random
import re
import shutil
import time
from contextlib import suppress
from typing import Any

import msgspec
from aiohttp import web
from playwright.async_api import Browser, CDPSession, Page, async_playwright

from services.api.app import COMPRESSED_BYTES, COMPRESSION
from services.api.live.board import Board
from services.api.live.broadcast import Broadcast
from services.api.live.follow import update
from services.api.routes.page import DIST
from shared.contracts import SCAN_MS, PriceTick
from tests.integration.api import facts

TICKS_A_SCAN = 300
BATCH = 256  #: messages that the API reads at once
LONG_MS = 50.0
PATIENCE_MS = 300_000
TRACED = ("toplevel", "devtools.timeline", "blink.user_timing")
EMPTY: dict[str, Any] = {
    "items": [],
    "next_cursor": None,
    "database": "ok",
    "markets": [],
    "features": [],
    "value": {"destinations": {"x": {}}},
}
PARTS = {
    "script": ("FireAnimationFrame", "FunctionCall", "EvaluateScript", "v8.evaluateModule", "TimerFire"),
    "style and layout": ("UpdateLayoutTree", "Layout"),
    "paint": ("PrePaint", "Paint", "Layerize", "Commit"),
    "collection": ("MinorGC", "MajorGC"),
}
FIRST = """
  const look = () => {
    if (document.querySelector('[data-symbol]')) {
      window.first = performance.now();
      performance.mark('first card');
    } else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
"""
# every card; of the table, the rows that are seen
EVERYTHING = """n => {
  const drawn = document.querySelectorAll('[data-symbol]');
  const table = document.querySelector('.board-scroll');
  if (!table || !drawn.length) return drawn.length === n;
  return drawn.length === n || drawn[drawn.length - 1].getBoundingClientRect().bottom >= innerHeight;
}"""
DRAWN = """() => {
  window.drawn = 0;
  const times = new MutationObserver(() => { window.drawn += 1 });
  times.observe(document.querySelector('.tool time'), { characterData: true, childList: true, subtree: true });
}"""
NAIVE = """([styles, cards]) => {
  document.head.innerHTML = styles;
  document.body.innerHTML = `<main>${cards}</main>`;
  const list = document.querySelector('main > *');
  const price = () => `>${(100 + Math.random()).toFixed(4)}</b>`;
  setInterval(() => { list.innerHTML = list.innerHTML.replaceAll(/>[0-9.]+<[/]b>/g, price) }, 1000);
}"""
STYLES = "[...document.querySelectorAll('link[rel=stylesheet]')].map(link => link.outerHTML).join('')"


class Market:
    """So many coins, prices that move, and scans; an API's board of them."""

    def __init__(self, cards: int, ticks: float, ticks_a_scan: int) -> None:
        self.names = [f"C{number:03}USDT" for number in range(cards)]
        self.every = 1.0 / ticks
        self.ticks_a_scan = ticks_a_scan
        self.at = self.scan = facts.SCAN
        self.ticks = 0
        self._board = Board()
        self._broadcast = Broadcast()
        self._settle()

    def _tick(self) -> None:
        """Move every price, and settle a scan where one is due."""
        self.at += 1_000
        self.ticks += 1
        prices = {name: round(100 + random.random(), 4) for name in self.names}
        update(self._board, self._broadcast, [PriceTick(at=self.at, prices=prices)])
        if self.ticks % self.ticks_a_scan == 0:
            self._settle()

    def _settle(self) -> None:
        """Judge every coin anew, with a score of its own each time."""
        self.scan += SCAN_MS
        self.at = max(self.at, self.scan)
        judged = [facts.decision(name, self.scan, score=random.uniform(20, 64)) for name in self.names]
        for start in range(0, len(judged), BATCH):
            update(self._board, self._broadcast, judged[start : start + BATCH])
        update(self._board, self._broadcast, [facts.settled(self.scan, len(judged))])

    async def _coins(self, request: web.Request) -> web.Response:
        items = self._board.cards()
        now = time.time_ns() // 1_000_000
        shown = {"now": now, "exchange_time": self.at, "clock_speed": 60.0, "event_id": self._broadcast.newest_id}
        return _json(request, shown | {"items": items, "scan_id": self.scan, "scan": None, "total": len(items)})

    async def _events(self, request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await answer.prepare(request)
        with suppress(ConnectionError), self._broadcast.listening() as events:
            while True:
                self._tick()
                while not events.empty():
                    await answer.write(events.get_nowait() or b"")
                await asyncio.sleep(self.every)
        return answer

    async def serve(self) -> tuple[web.AppRunner, str]:
        """Start the server; return its address."""
        app = web.Application()
        app.router.add_get("/", _file)
        app.router.add_get("/blank", _empty)
        app.router.add_get("/api/coins", self._coins)
        app.router.add_get("/api/events", self._events)
        app.router.add_get("/{path:assets/.*}", _file)
        app.router.add_get("/{rest:.*}", _empty)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        return runner, f"http://127.0.0.1:{runner.addresses[0][1]}/"


def _answer(request: web.Request, body: bytes, kind: str) -> web.Response:
    """Return *body* as the API does: compressed, or 304 where the browser has it."""
    tag = f'W/"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
    if request.headers.get("If-None-Match") == tag:
        return web.Response(status=304, headers=headers)
    if len(body) >= COMPRESSED_BYTES and "gzip" in request.headers.get("Accept-Encoding", ""):
        body, headers["Content-Encoding"] = gzip.compress(body, COMPRESSION), "gzip"
    return web.Response(body=body, content_type=kind, headers=headers)


def _json(request: web.Request, value: Any) -> web.Response:
    return _answer(request, msgspec.json.encode(value), "application/json")


async def _empty(request: web.Request) -> web.Response:
    return _json(request, EMPTY)


async def _file(request: web.Request) -> web.Response:
    name = request.match_info.get("path", "index.html")
    return _answer(request, (DIST / name).read_bytes(), mimetypes.guess_type(name)[0] or "text/plain")


class Trace:
    """What the main threads of pages do within the block, by Chromium's tracing."""

    def __init__(self, devtools: CDPSession) -> None:
        self._devtools = devtools
        self._events: list[dict[str, Any]] = []
        self._ended = asyncio.Event()
        devtools.on("Tracing.dataCollected", lambda found: self._events.extend(found["value"]))
        devtools.on("Tracing.tracingComplete", lambda _: self._ended.set())

    async def __aenter__(self) -> Trace:
        self._events.clear()
        self._ended.clear()
        config = {"includedCategories": TRACED, "excludedCategories": ["*"]}
        await self._devtools.send("Tracing.start", {"transferMode": "ReportEvents", "traceConfig": config})
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._devtools.send("Tracing.end")
        await self._ended.wait()

    def _spans(self) -> list[dict[str, Any]]:
        names = [event for event in self._events if event["name"] == "thread_name"]
        mains = {(one["pid"], one["tid"]) for one in names if one["args"]["name"] == "CrRendererMain"}
        return [one for one in self._events if one["ph"] == "X" and (one["pid"], one["tid"]) in mains]

    def tasks(self) -> list[float]:
        """Return every task's processor time in ms, the longest first."""
        return sorted((_milliseconds(one) for one in self._spans() if _is_task(one)), reverse=True)

    def longest(self) -> str:
        """Return the longest task, what it was made of, and how many were long."""
        spans = self._spans()
        task = max(filter(_is_task, spans), key=_milliseconds)
        ends = task["ts"] + task["dur"]
        within = [one for one in spans if one["pid"] == task["pid"] and task["ts"] <= one["ts"] <= ends]
        made = {part: sum(_milliseconds(one) for one in within if one["name"] in of) for part, of in PARTS.items()}
        parts = ", ".join(f"{part} {took:.1f}" for part, took in made.items())
        long = sum(took > LONG_MS for took in self.tasks())
        return f"{_milliseconds(task):.1f} ms of processor ({parts}); {long} longer than {LONG_MS:.0f} ms"

    def until(self, mark: str) -> float:
        """Return the processor time of the tasks before *mark*, in ms."""
        at = min(one["ts"] for one in self._events if one["name"] == mark)
        return sum(_milliseconds(one) for one in self._spans() if _is_task(one) and one["ts"] < at)


def _is_task(event: dict[str, Any]) -> bool:
    return bool(event["name"].endswith("RunTask"))


def _milliseconds(event: dict[str, Any]) -> float:
    return float(event.get("tdur", 0)) / 1_000


async def measure(browser: Browser, wanted: argparse.Namespace, cards: int) -> None:
    """Print the lines about one number of cards."""
    hours = wanted.hours
    market = Market(cards, wanted.ticks, TICKS_A_SCAN if hours else wanted.scan_every)
    runner, address = await market.serve()
    page = await browser.new_page(viewport={"width": 1920, "height": 1080})
    page.on("pageerror", lambda error: print(f"  ERROR on the page, so that nothing here counts: {error}", flush=True))
    await page.add_init_script(FIRST)
    devtools = await page.context.new_cdp_session(page)
    trace = Trace(devtools)
    async with trace:
        await page.goto(f"{address}#/board?{wanted.view}")
        await page.wait_for_function(EVERYTHING, arg=cards, timeout=PATIENCE_MS)
    first = await page.evaluate("window.first")
    print(f"{cards} cards, load {os.getloadavg()[0]:.1f}")
    print(f"  first card: {trace.until('first card'):.0f} ms of processor, {first:.0f} ms by the wall clock")
    print(f"  until all are drawn: longest task {trace.longest()}", flush=True)
    await asyncio.sleep(3)  # what is loaded once is loaded
    if hours:
        await _walk(page, devtools, market, int(hours * 3_600))
    else:
        await _watch(devtools, trace, wanted.seconds)
        if "table" in wanted.view:
            await _scroll(page, trace)
        await _compare(browser, page, address, wanted.seconds, trace)
    await page.close()
    await runner.cleanup()


async def _watch(devtools: CDPSession, trace: Trace, seconds: float) -> None:
    """Print what ticks and scans cost."""
    await devtools.send("Performance.enable", {"timeDomain": "threadTicks"})
    busy, began = await _busy(devtools), time.monotonic()
    async with trace:
        await asyncio.sleep(seconds)
    share = (await _busy(devtools) - busy) / (time.monotonic() - began)
    print(f"  ticks and scans: longest task {trace.longest()}; main thread {100 * share:.1f} % of a core", flush=True)


async def _scroll(page: Page, trace: Trace) -> None:
    """Print what it costs to turn the wheel through the table, and to jump to its end and back."""
    await page.mouse.move(900, 600)
    async with trace:
        for _ in range(60):
            await page.mouse.wheel(0, 250)
            await asyncio.sleep(0.05)
        for key in ("End", "Home") * 3:
            await page.keyboard.press(key)
            await asyncio.sleep(0.5)
    print(f"  scrolled: longest task {trace.longest()}", flush=True)


async def _compare(browser: Browser, page: Page, address: str, seconds: float, trace: Trace) -> None:
    """Print what a page costs that draws the same cards anew at each tick."""
    shown = [await page.evaluate(STYLES), await page.evaluate("document.querySelector('.cards, table').outerHTML")]
    ours = trace.tasks()[0]
    await page.goto("about:blank")
    naive = await browser.new_page(viewport={"width": 1920, "height": 1080})
    await naive.goto(f"{address}blank")
    await naive.evaluate(NAIVE, shown)
    async with trace:
        await asyncio.sleep(seconds)
    longest = trace.tasks()[0]
    print(f"  drawn anew at each tick: longest task {longest:.1f} ms of processor, {longest / ours:.1f} times as long")
    await naive.close()


async def _walk(page: Page, devtools: CDPSession, market: Market, ticks: int) -> None:
    """Print what is left on the heap after so many *ticks* and their scans."""
    await page.evaluate(DRAWN)
    began = market.ticks
    before = await _kept(devtools)
    print(f"  before: {_said(before)}", flush=True)
    for part in (1, 2, 3, 4):
        while market.ticks - began < ticks * part / 4:
            await asyncio.sleep(0.5)
        after = await _kept(devtools)
        done = market.ticks - began
        print(f"  after {done} ticks, {done // TICKS_A_SCAN} scans: {_said(after)}", flush=True)
    drawn = await page.evaluate("window.drawn")
    print(f"  heap {after['heap'] / before['heap']:.3f} times; {drawn} ticks drawn each for itself", flush=True)


async def _kept(devtools: CDPSession) -> dict[str, int]:
    """Return what a collection leaves: bytes, nodes, those outside of the document, listeners."""
    await devtools.send("HeapProfiler.collectGarbage")
    counted = await devtools.send("Memory.getDOMCounters")
    detached = await devtools.send("DOM.getDetachedDomNodes")
    used = await devtools.send("Runtime.getHeapUsage")
    return {
        "heap": int(used["usedSize"]),
        "nodes": counted["nodes"],
        "detached": len(detached["detachedNodes"]),
        "listeners": counted["jsEventListeners"],
    }


def _said(kept: dict[str, int]) -> str:
    others = ", ".join(f"{count} {name}" for name, count in kept.items() if name != "heap")
    return f"heap {kept['heap'] / 1e6:.2f} MB, {others}"


async def _busy(devtools: CDPSession) -> float:
    metrics = (await devtools.send("Performance.getMetrics"))["metrics"]
    return float(next(item["value"] for item in metrics if item["name"] == "TaskDuration"))


def script_bytes() -> int:
    """Return the compressed size of the scripts that the page loads at its start."""
    names = re.findall(r'(?:src|href)="[./]*(assets/[^"]+[.]js)"', (DIST / "index.html").read_text())
    return sum(len(gzip.compress((DIST / name).read_bytes())) for name in names)


async def run(wanted: argparse.Namespace) -> None:
    """Measure each number of cards in a browser of its own."""
    print(f"JavaScript at the start: {script_bytes() / 1_000:.1f} kB compressed")
    async with async_playwright() as playwright:
        program = shutil.which("chromium") or shutil.which("google-chrome")
        for cards in wanted.cards:
            browser = await playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
            await measure(browser, wanted, cards)
            await browser.close()


def main() -> None:
    """Print a few lines for each number of cards."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cards", nargs="*", type=int, default=[150, 600])
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--ticks", type=float, default=1, help="a second")
    parser.add_argument("--scan-every", type=int, default=10, help="ticks")
    parser.add_argument("--hours", type=float, help="walk through so many, with --ticks a second")
    parser.add_argument("--view", default="", help="as in the board's address: view=table, density=tiles")
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
