"""One API serves two markets: a coin of the same name in both is two coins everywhere."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from services.api.__main__ import assemble_all
from services.api.app import create_app
from services.api.context import Context
from services.api.live.follow import update
from services.api.recorder import CONSUMER, GROUP, STREAMS
from services.api.store.ladder.retention import retain
from shared.bus import RedisBus
from shared.config.environment import MARKET, Environment
from shared.contracts import Alert, Decision, MutesChanged, PriceTick, ScanOpened, ScanSettled, Stream
from shared.runtime.service import Service
from shared.settings import RecordingSettings
from tests.integration.api import facts
from tests.integration.api.conftest import owner

OTHER = "okx-swap"
COIN = "BTCUSDT"
MONTH_MS = 31 * 86_400_000


@pytest.fixture
async def markets(fresh_valkey: str, fresh_database: str, tmp_path: Path) -> AsyncIterator[tuple[Context, ...]]:
    """An API over an empty bus and an empty, migrated database that serves two markets."""
    environment = Environment(
        redis_url=fresh_valkey,
        database_url=fresh_database,
        config=Path("none.yaml"),
        data_dir=tmp_path,
        api_markets=f" {OTHER}, {MARKET},",
    )
    async with started(environment) as contexts:
        yield contexts


@asynccontextmanager
async def started(environment: Environment) -> AsyncIterator[tuple[Context, ...]]:
    """Yield the markets of an API in *environment*, begun and with their settings on the bus."""
    contexts = assemble_all(Service("api", environment, RedisBus(environment.redis_url)), {})
    for context in contexts:
        assert await context.database.start()
        await context.publisher.publish()
    yield contexts
    for context in contexts:
        await context.database.close()
        await context.bus.close()


@pytest.fixture
async def client(markets: tuple[Context, ...]) -> AsyncIterator[httpx.AsyncClient]:
    """The command line of this machine."""
    async with signed_in(markets) as client:
        yield client


@asynccontextmanager
async def signed_in(markets: tuple[Context, ...]) -> AsyncIterator[httpx.AsyncClient]:
    """Yield a client of *markets* that has this machine's credential."""
    transport = httpx.ASGITransport(app=create_app(*markets))
    headers = owner(markets[0])
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8710", headers=headers) as client:
        yield client


async def happen(context: Context, score: float, scan_id: int = facts.SCAN) -> None:
    """Let one market bring a signal of the coin with *score*; record it and show it."""
    told: dict[Stream, list[ScanOpened | ScanSettled | Decision | Alert]] = {
        Stream.SCANS: [facts.opened(scan_id), facts.settled(scan_id, passed=1)],
        Stream.DECISIONS_PASSED: [facts.decision(COIN, scan_id, score=score, passed=True)],
        Stream.ALERTS: [facts.signal_alert(COIN, scan_id=scan_id)],
    }
    for stream, messages in told.items():
        await context.bus.publish(stream, messages)
        update(context.board, context.broadcast, messages)
    update(context.board, context.broadcast, [PriceTick(at=scan_id + 1, prices={COIN: score})])
    await context.recorder.record(await context.bus.read(GROUP, CONSUMER, STREAMS, block_ms=50))


async def test_a_coin_of_two_markets_is_two_coins(markets: tuple[Context, ...], client: httpx.AsyncClient) -> None:
    """Board, decisions, signals and scans of a market are its own, live and stored; the first is meant by default."""
    await happen(markets[0], 81.0)
    await happen(markets[1], 72.0, facts.SCAN + 300_000)
    for query, score, scan_id in (
        ({}, 81, facts.SCAN),
        ({"market": MARKET}, 81, facts.SCAN),
        ({"market": OTHER}, 72, facts.SCAN + 300_000),
    ):
        board = (await client.get("/api/coins", params=query)).json()
        assert [(card["symbol"], card["score"], card["price"]) for card in board["items"]] == [(COIN, score, score)]
        rows = (await client.get("/api/decisions", params=query)).json()["items"]
        assert [(row["symbol"], row["score"]) for row in rows] == [(COIN, score)]
        for resource in ("signals", "scans"):
            found = (await client.get(f"/api/{resource}", params=query)).json()["items"]
            assert [row["scan_id"] for row in found] == [scan_id], resource
        assert (await client.get(f"/api/coins/{COIN}/explain", params=query)).json()["score"] == score
    assert len((await client.get("/api/alerts", params={"market": OTHER})).json()["items"]) == 1
    export = (await client.post("/api/export/signals", params={"market": OTHER}, json={})).json()
    text = (await client.get(f"/{export['url']}")).text
    assert (export["total"], text.count(COIN), OTHER in export["url"]) == (1, 2, True)
    assert f"{COIN}:long:{facts.SCAN + 300_000}" in text


async def test_what_people_set_for_a_market_stays_in_it(
    markets: tuple[Context, ...], client: httpx.AsyncClient
) -> None:
    """A mute of one market is listed and published there alone; the settings are the same in both."""
    made = await client.post("/api/mutes", params={"market": OTHER}, json={"symbol": COIN, "seconds": 600})
    assert made.status_code == 201
    await client.patch("/api/config", json={"thresholds": {"score": 71}})
    listed = {}
    for context in markets:
        await context.publisher.publish()
        event = await context.bus.newest_setting(MutesChanged)
        listed[context.bus.market] = len(event.mutes) if event else None
        assert context.publisher.settings().thresholds.score == 71
    assert listed == {MARKET: 0, OTHER: 1}
    assert (await client.get("/api/mutes")).json()["items"] == []
    assert len((await client.get("/api/mutes", params={"market": OTHER})).json()["items"]) == 1


async def test_each_market_has_its_own_live_events(markets: tuple[Context, ...]) -> None:
    """Who listens to one market hears nothing of the other."""
    with markets[0].broadcast.listening() as first, markets[1].broadcast.listening() as second:
        await happen(markets[1], 72.0)
        assert first.empty()
        assert not second.empty()


async def test_a_market_that_is_not_served_is_named(client: httpx.AsyncClient) -> None:
    """Every resource refuses it with what there is; the status lists it."""
    for path in ("/api/coins", "/api/signals", "/api/events", "/api/config", "/api/status"):
        answer = await client.get(path, params={"market": "bybit"})
        assert (answer.status_code, answer.json()["detail"]) == (
            404,
            f"no market bybit: this API serves {MARKET}, {OTHER}",
        )
    status = (await client.get("/api/status", params={"market": OTHER})).json()
    assert (status["market"], status["markets"]) == (OTHER, [MARKET, OTHER])


async def test_the_retention_of_a_market_leaves_the_other_s_rows(
    markets: tuple[Context, ...], client: httpx.AsyncClient
) -> None:
    """Markets share the months' partitions; one that is months ahead deletes what is its own."""
    for context in markets:
        await happen(context, 80.0)
    await happen(markets[0], 81.0, facts.SCAN + 6 * MONTH_MS)
    assert await retain(markets[0].database, RecordingSettings(retention_days=30, archive=False)) == []
    for query, left in (({}, 1), ({"market": OTHER}, 1)):
        assert len((await client.get("/api/decisions", params=query)).json()["items"]) == left
        assert len((await client.get("/api/scans", params=query)).json()["items"]) == left
    await happen(markets[1], 81.0, facts.SCAN + 6 * MONTH_MS)
    assert len(await retain(markets[1].database, RecordingSettings(retention_days=30, archive=False))) == 1


async def test_the_process_is_as_healthy_as_its_worst_market(
    markets: tuple[Context, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A market that makes no progress is not hidden by one that does."""
    main, part = markets[0].service, markets[1].service
    main.beat()
    part.beat("the database: away")
    assert main.health()[0]
    assert main.health()[1]["waiting_for"] == "the database: away"
    monkeypatch.setattr(part, "_progress", part._progress - 3_600)
    assert not main.health()[0]
    main.stopping.set()
    assert part.stopping.is_set()
