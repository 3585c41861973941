"""Does anything grow?  The whole stack for hours of the exchange's clock, with dashboards open and many destinations.

    python -m benchmarks.soak [--symbols 600] [--hours 30] [--speed 25] [--dashboards 50] [--destinations 100]

One process of each service, embedded stores, all four timeframes, every alert to every destination (webhooks at one
receiver, signed).  A dashboard is a client that takes the board and reads the event stream, and begins anew where it
is cut off.  A row each hour of the exchange's clock; the table at the end is Markdown.  It says whether the services
followed: scans settled (12 an hour), and what the groups had not read.

The clock runs faster than the wall, but what is kept for a time by the wall clock (finished jobs: a day) is not
dropped faster: the run piles up in minutes what a real day would have.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import time

import aiohttp

from benchmarks.stack_sample import Sample, sample
from benchmarks.whole_stack import WholeStack, whole_stack
from services.terminal.local import stream_tail
from services.terminal.local.stack import SimulatorPlan
from shared.bus import RedisBus
from shared.contracts import HOUR_MS, ScanSettled, Stream

RECONNECT_S = 2.0  #: as the event stream asks for


class Dashboards:
    """Clients that read the board's events as fast as they come."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.open = self.cuts = self.bytes = 0

    async def read(self, http: aiohttp.ClientSession) -> None:
        """Be one of them until cancelled."""
        while True:
            try:
                async with http.get(f"{self._url}/api/coins") as board:
                    after = (await board.json())["event_id"]
                async with http.get(f"{self._url}/api/events", params={"after": after}) as stream:
                    stream.raise_for_status()
                    self.open += 1
                    try:
                        async for part in stream.content.iter_any():
                            self.bytes += len(part)
                    finally:
                        self.open -= 1
            except (aiohttp.ClientError, OSError):
                pass
            self.cuts += 1
            await asyncio.sleep(RECONNECT_S)


class Settled:
    """Counts the scans of each hour as they settle."""

    def __init__(self, bus: RedisBus) -> None:
        self._bus, self._after = bus, "0-0"
        self.scans = self.analysed = 0
        self.began = self.newest = 0

    async def until(self, hour: int) -> None:
        """Return when *hour* hours of scans have gone by since the first one."""
        while not self.began or self.newest < self.began + hour * HOUR_MS:
            for _, entry_id, event in await stream_tail.news(self._bus, {Stream.SCANS: self._after}):
                self._after = entry_id
                if isinstance(event, ScanSettled):
                    self.scans += 1
                    self.analysed += event.analysed
                    self.newest = max(self.newest, event.scan_id)
                    self.began = self.began or event.scan_id


async def soak(arguments: argparse.Namespace) -> list[Sample]:
    """Run for the hours; return a sample of each."""
    simulator = SimulatorPlan(symbols=arguments.symbols, speed=arguments.speed)
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=60)
    async with whole_stack(simulator, arguments.destinations, thresholds={"score": arguments.score}) as stack:
        bus = RedisBus(stack.local.redis_url)
        async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0)) as http:
            dashboards = Dashboards(stack.local.api_url)
            readers = [asyncio.create_task(dashboards.read(http)) for _ in range(arguments.dashboards)]
            try:
                return await rows(stack, bus, dashboards, arguments.hours)
            finally:
                for reader in readers:
                    reader.cancel()
                await asyncio.gather(*readers, return_exceptions=True)
                await bus.close()


async def rows(stack: WholeStack, bus: RedisBus, dashboards: Dashboards, hours: int) -> list[Sample]:
    """Take a sample at each hour, print it, and return all."""
    settled, samples, began = Settled(bus), [], time.monotonic()
    for hour in range(hours + 1):
        before = settled.scans
        await settled.until(hour)
        found = await sample(stack, bus, hour)
        found.flow |= {
            "wall minutes": (time.monotonic() - began) / 60,
            "scans settled": settled.scans - before,
            "coins a scan": settled.analysed / settled.scans,
            "webhooks": len(stack.sink.received),
            "dashboards open": dashboards.open,
            "dashboards cut off": dashboards.cuts,
            "MB to dashboards": dashboards.bytes / 1e6,
            "load": os.getloadavg()[0],
        }
        samples.append(found)
        print(found.line(), flush=True)
    return samples


def table(samples: list[Sample]) -> str:
    """Return the samples as Markdown: a column an hour, as many as fit on a page."""
    step = max(1, (len(samples) - 1) // 6)
    shown = samples[::step]
    lines = ["| | " + " | ".join(f"hour {each.hour}" for each in shown) + " |", "|---|" + "---|" * len(shown)]
    for name in samples[-1].figures():
        values = [each.figures().get(name) for each in shown]
        lines.append(f"| {name} | " + " | ".join("" if value is None else f"{value:,.0f}" for value in values) + " |")
    return "\n".join(lines)


def main() -> None:
    """Run it, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--symbols", type=int, default=600)
    parser.add_argument("--hours", type=int, default=30, help="of the exchange's clock")
    parser.add_argument("--speed", type=float, default=25.0)
    parser.add_argument("--dashboards", type=int, default=50, help="at most 64, the API's limit of one address")
    parser.add_argument("--destinations", type=int, default=100)
    parser.add_argument("--score", type=float, default=65.0, help="threshold: lower, and there are more alerts")
    print("\n" + table(asyncio.run(soak(parser.parse_args()))))


if __name__ == "__main__":
    main()
