"""One API, two markets, a Redis for each."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from redis.exceptions import RedisError

from services.api.context import Context
from services.api.exports.jobs import ExportJobs
from services.api.gauges import measure_buses, memory_of
from services.terminal.checks.stores import check_markets
from services.terminal.local import stores
from services.terminal.local.stores import StoreError
from shared.bus import RedisBus
from shared.config.environment import MARKET, Environment
from shared.contracts import SettingsChanged, Stream
from tests.conftest import running
from tests.integration.api import facts
from tests.integration.api.test_markets import COIN, OTHER, happen, signed_in, started
from tests.patience import until


@dataclass
class Servers:
    """Two Valkeys."""

    urls: list[str]
    processes: list[subprocess.Popen[bytes]]


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Servers]:
    """A Valkey for each market."""
    prepared = [stores.valkey(tmp_path / name, durable=False) for name in ("one", "two")]
    with ExitStack() as stack:
        processes = [stack.enter_context(running(store.argv)) for store in prepared]
        for store in prepared:
            stores.wait_for_valkey(store.url)
        yield Servers([store.url for store in prepared], processes)


@pytest.fixture
async def markets(servers: Servers, fresh_database: str, tmp_path: Path) -> AsyncIterator[tuple[Context, ...]]:
    """An API over an empty, migrated database, and a bus of its own for the second market."""
    environment = Environment(
        redis_url=servers.urls[0],
        database_url=fresh_database,
        config=Path("none.yaml"),
        data_dir=tmp_path,
        api_markets=OTHER,
        api_redis_urls=f"{OTHER}={servers.urls[1]}",
    )
    async with started(environment) as contexts:
        yield contexts


@pytest.fixture
async def client(markets: tuple[Context, ...]) -> AsyncIterator[httpx.AsyncClient]:
    """The command line of this machine."""
    async with signed_in(markets) as client:
        yield client


async def test_each_market_is_read_from_its_own_redis(
    servers: Servers, markets: tuple[Context, ...], client: httpx.AsyncClient
) -> None:
    """What happens on one bus is recorded and shown as its market's alone; no key of a market is on the other's."""
    await happen(markets[0], 81.0)
    await happen(markets[1], 72.0, facts.SCAN + 300_000)
    for market, score, scan_id in ((MARKET, 81, facts.SCAN), (OTHER, 72, facts.SCAN + 300_000)):
        board = (await client.get("/api/coins", params={"market": market})).json()
        assert [(card["symbol"], card["score"]) for card in board["items"]] == [(COIN, score)]
        for resource in ("decisions", "signals", "scans"):
            found = (await client.get(f"/api/{resource}", params={"market": market})).json()["items"]
            assert [row["scan_id"] for row in found] == [scan_id], resource
    for url, market in zip(servers.urls, (MARKET, OTHER), strict=True):
        bus = RedisBus(url, market)
        keys = await bus.redis.keys("*")
        assert keys
        assert all(key.startswith(f"{{{market}}}:".encode()) for key in keys), keys
        await bus.close()


async def test_settings_reach_both(markets: tuple[Context, ...], client: httpx.AsyncClient) -> None:
    """They are the same for all markets: each bus has them."""
    await client.patch("/api/config", json={"thresholds": {"score": 71}})
    for context in markets:
        await context.publisher.publish()
        event = await context.bus.newest_setting(SettingsChanged)
        assert event is not None
        assert event.value["thresholds"]["score"] == 71


async def test_one_that_is_away_leaves_the_other_market(
    servers: Servers, markets: tuple[Context, ...], client: httpx.AsyncClient
) -> None:
    """Records of the second market are served from Postgres; the first is recorded and shown as before."""
    await happen(markets[1], 72.0)
    servers.processes[1].kill()
    servers.processes[1].wait()
    with pytest.raises(RedisError):
        await markets[1].bus.last_id(Stream.SCANS)
    await happen(markets[0], 81.0)
    for market, score in ((MARKET, 81), (OTHER, 72)):
        rows = (await client.get("/api/decisions", params={"market": market})).json()["items"]
        assert [row["score"] for row in rows] == [score]
    assert (await client.get("/api/status")).status_code == 200


async def test_the_memory_of_both_is_measured(markets: tuple[Context, ...]) -> None:
    """Two buses of one server count once."""
    held = [await memory_of(context.bus) for context in markets]
    again = RedisBus(markets[0].service.environment.redis_url, "third")
    measured = await measure_buses([*(context.bus for context in markets), again])
    assert max(held) < measured < 2.5 * max(held)
    await again.close()


async def test_a_long_export_is_made_where_its_market_s_jobs_are(
    markets: tuple[Context, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker is a process of that market alone, although the API's environment names the others."""
    monkeypatch.setenv("SEVENGATE_API_MARKETS", OTHER)
    monkeypatch.setenv("SEVENGATE_API_REDIS_URLS", f"{OTHER}={markets[1].service.environment.redis_url}")
    await happen(markets[1], 72.0)
    jobs = ExportJobs(markets[1].service.environment)
    job_id = await jobs.begin({}, 1)

    async def done() -> bool:
        found = await jobs.find(job_id)
        assert found is not None
        assert found["status"] in ("waiting", "running", "done"), found
        return bool(found["status"] == "done")

    await until(done)
    assert COIN in jobs.path(job_id).read_text()
    bus = RedisBus(markets[1].service.environment.redis_url, OTHER)
    assert await bus.redis.exists(f"rq:job:{job_id}")
    await bus.close()


def test_the_check_names_the_market(servers: Servers) -> None:
    """Each other address is tried; the sentence names the variable."""
    named = {"redis_url": servers.urls[0], "api_markets": f"{OTHER},third"}
    assert check_markets(Environment(**named)) == []
    (found,) = check_markets(Environment(**named, api_redis_urls=f"third={servers.urls[1]}"))
    assert found.startswith("third: 127.0.0.1:")
    with pytest.raises(StoreError, match="SEVENGATE_API_REDIS_URLS"):
        check_markets(Environment(**named, api_redis_urls=f"{OTHER}=redis://127.0.0.1:9/0"))
