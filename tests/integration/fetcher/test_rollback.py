"""A bus that has gone back to an earlier moment, as after a failover: the fetcher sends again what it lacks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from services.fetcher.domain.instruments import Instrument
from services.fetcher.domain.market_state import Market
from services.fetcher.domain.universe import Selection
from services.fetcher.feed.clock import ExchangeClock
from services.fetcher.feed.fear_greed import FearAndGreed
from services.fetcher.scan.leader_state import NAME, LeaderState
from services.fetcher.scan.packer import SnapshotPacker
from services.fetcher.scan.publisher import PUBLISHED_AT_ONCE, ScanPublisher
from services.fetcher.scan.sent_scans import SentScans
from shared.bus import Commit, CommitResult, Lease, RedisBus
from shared.config.environment import Environment
from shared.contracts import FULL_BARS, SCAN_MS, MarketSnapshot, Message, ScanOpened, Stream
from shared.runtime.service import Service
from tests.going_back import GoingBack, going_back

from .fake_exchange import FakeExchange, market

SYMBOLS = tuple(f"C{number}USDT" for number in range(PUBLISHED_AT_ONCE + 2))  # two batches
LEASE = Lease(NAME, "test")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GoingBack]:
    with going_back(tmp_path) as started:
        yield started


class Sender:
    """A publisher of a small market whose bars are all there."""

    def __init__(self, url: str) -> None:
        self.bus = RedisBus(url)
        exchange, coins = FakeExchange(), Market()
        coins.learn({symbol: Instrument(symbol, 0.01, 0, True) for symbol in SYMBOLS})
        coins.choose(Selection(SYMBOLS))
        for number, symbol in enumerate(SYMBOLS):
            bars = market(number, FULL_BARS)
            coins.coins[symbol].windows.load({"5m": bars})
        self.newest = coins.coins[SYMBOLS[0]].windows.last_close
        self.state = LeaderState(self.bus, LEASE)
        clock = ExchangeClock(0)
        clock.observe(self.newest)
        service = Service(NAME, Environment(), self.bus)
        self.publisher = ScanPublisher(
            service,
            self.bus,
            LEASE,
            market=coins,
            clock=clock,
            exchange=exchange,
            state=self.state,
            packer=SnapshotPacker(service, coins, clock, exchange, FearAndGreed("")),
            sent=SentScans(),
        )

    async def lead(self) -> None:
        await self.bus.acquire(LEASE, ttl_ms=600_000)
        await self.state.load()

    async def sent(self) -> tuple[list[int], Counter[int]]:
        """Return the scans that were opened, in the stream's order, and how many coins have a snapshot of each."""
        opened = [message for _, message in await self.bus.newest(Stream.SCANS, 100)]
        snapshots = [message for _, message in await self.bus.newest(Stream.SNAPSHOTS, 1_000)]
        coins = {(one.scan_id, one.symbol) for one in snapshots if isinstance(one, MarketSnapshot)}
        scans = [one.scan_id for one in opened if isinstance(one, ScanOpened)]
        return scans, Counter(scan_id for scan_id, _ in coins)


async def second_scan_to_lose(server: GoingBack) -> tuple[Sender, tuple[int, int, int]]:
    """Return a leading sender that has sent two of three scans, the second after the moment to go back to."""
    sender = Sender(server.url)
    one, two, three = (sender.newest - ago * SCAN_MS for ago in (2, 1, 0))
    await sender.lead()
    await sender.publisher.open(one)
    server.remember()
    await sender.publisher.open(two)
    return sender, (one, two, three)


async def test_scans_that_were_taken_back_are_sent_again_in_order(server: GoingBack) -> None:
    """Two whole scans are lost: they come again when the fetcher looks, once."""
    sender, (one, two, three) = await second_scan_to_lose(server)
    await sender.publisher.open(three)
    server.go_back()
    assert (await sender.sent())[0] == [one]
    await sender.publisher.put_back()
    await sender.publisher.put_back()
    assert await sender.sent() == ([one, two, three], Counter(dict.fromkeys((one, two, three), len(SYMBOLS))))
    await sender.bus.close()


async def test_a_lost_scan_comes_before_the_next_one(server: GoingBack) -> None:
    """The next close comes before the fetcher has looked: what was lost is opened first."""
    sender, (one, two, three) = await second_scan_to_lose(server)
    server.go_back()
    await sender.publisher.open(three)
    assert await sender.sent() == ([one, two, three], Counter(dict.fromkeys((one, two, three), len(SYMBOLS))))
    await sender.bus.close()


async def test_a_bus_that_goes_back_during_an_opening_gets_what_it_lost_first(
    server: GoingBack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fetcher has looked and is about to open the next scan: its commit finds an older state."""
    sender, (one, two, three) = await second_scan_to_lose(server)
    commit = sender.bus.commit

    async def after_going_back(wanted: Commit) -> CommitResult:
        monkeypatch.undo()
        server.go_back()
        return await commit(wanted)

    await sender.publisher.put_back()  # has seen this server
    monkeypatch.setattr(sender.bus, "commit", after_going_back)
    await sender.publisher.open(three)
    assert await sender.sent() == ([one, two, three], Counter(dict.fromkeys((one, two, three), len(SYMBOLS))))
    await sender.bus.close()


async def test_snapshots_alone_are_sent_again(server: GoingBack, monkeypatch: pytest.MonkeyPatch) -> None:
    """The opening and a first batch are left: the scan is not opened twice, and every coin has its snapshot."""
    sender = Sender(server.url)
    publish = sender.bus.publish

    async def remembering(stream: Stream, messages: Sequence[Message], *, lease: Lease | None = None) -> list[str]:
        entry_ids = await publish(stream, messages, lease=lease)
        server.remember()
        monkeypatch.undo()
        return entry_ids

    await sender.lead()
    monkeypatch.setattr(sender.bus, "publish", remembering)
    await sender.publisher.open(sender.newest)
    server.go_back()
    assert (await sender.sent())[1] == {sender.newest: PUBLISHED_AT_ONCE}
    await sender.publisher.put_back()
    assert await sender.sent() == ([sender.newest], Counter({sender.newest: len(SYMBOLS)}))
    await sender.bus.close()


async def test_an_emptied_bus_gets_nothing_from_before(server: GoingBack) -> None:
    """It is filled from Postgres; the scans go on with the next one."""
    sender = Sender(server.url)
    await sender.lead()
    await sender.publisher.open(sender.newest - SCAN_MS)
    await sender.bus.redis.flushall()
    server.remember()
    server.go_back()
    await sender.lead()
    await sender.publisher.put_back()
    assert await sender.sent() == ([], Counter())
    await sender.publisher.open(sender.newest)
    assert await sender.sent() == ([sender.newest], Counter({sender.newest: len(SYMBOLS)}))
    await sender.bus.close()
