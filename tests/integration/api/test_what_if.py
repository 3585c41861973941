"""Other thresholds over stored decisions: what the gatekeeper itself would have opened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import msgspec
import numpy as np
import pytest

from services.api.context import Context
from services.api.recorder import CONSUMER, GROUP, STREAMS
from services.api.store.archive.closing import MarketArchive, close_month
from services.api.store.database import month_of
from services.gatekeeper.domain.settle import settle
from services.gatekeeper.domain.state import State
from shared.config.environment import MARKET
from shared.contracts import (
    SCAN_MS,
    Analysis,
    Fmqs,
    Message,
    Outcome,
    ScanOpened,
    ScanSettled,
    Side,
    Stream,
    VolumeFigures,
)
from shared.settings import RuntimeSettings, SymbolThresholds, Thresholds
from tests.unit.evaluator import facts as evaluator
from tests.unit.gatekeeper import facts

pytestmark = pytest.mark.timeout(600)  # thousands of analyses are judged by the gatekeeper for each

COINS = tuple(f"C{number:02}USDT" for number in range(8))
SCANS = 320
FIRST = facts.SCAN
NEWEST = FIRST + (SCANS - 1) * SCAN_MS
MISSING, DEGRADED, LATE = {50, 51, 200}, {80, 260}, {120, 300}


@dataclass
class Told:
    """What the gatekeeper made of a market."""

    opened: set[tuple[str, str, int]] = field(default_factory=set)
    alerts: int = 0
    messages: list[tuple[Stream, Message]] = field(default_factory=list)


def market(seed: int = 1) -> list[dict[str, Analysis]]:
    """Return the analyses of each scan: scores that hover about the threshold, prices that wander."""
    noise = np.random.default_rng(seed)
    score, price = np.full(len(COINS), 60.0), np.full(len(COINS), 100.0)
    scans = []
    for number in range(SCANS):
        score = np.clip(score + 0.1 * (64 - score) + noise.normal(0, 4, len(COINS)) + noise.normal(0, 2), 0, 100)
        price = price * np.exp(noise.normal(0, 0.0025, len(COINS)))
        scan_id = FIRST + number * SCAN_MS
        found = {
            coin: one(coin, scan_id, float(score[place]), round(float(price[place]), 4), noise)
            for place, coin in enumerate(COINS)
            if noise.random() > 0.01
        }
        scans.append(found)
    return scans


def one(coin: str, scan_id: int, score: float, close: float, noise: np.random.Generator) -> Analysis:
    """Return an analysis whose bar is its close alone, so that the close tells all that the bar does."""
    side: Side = "short" if noise.random() < 0.04 else "long"
    agree = int(noise.choice((4, 5, 5, 5)))
    changes: dict[str, Any] = {
        "score": score,
        "long_score": score if side == "long" else 30.0,
        "short_score": score if side == "short" else 30.0,
        "problem": "stale" if noise.random() < 0.01 else "",
        "timeframes": tuple(
            facts.timeframe(name, side, score=score + float(noise.normal(4, 3)), squeeze=bool(noise.random() < 0.04))
            for name in facts.INTERVALS
        ),
    }
    made = facts.analysis(coin, scan_id, side, close=close, **changes)
    assert made.volume is not None
    return msgspec.structs.replace(
        made,
        groups=tuple(msgspec.structs.replace(group, agrees=n < agree) for n, group in enumerate(made.groups)),
        fmqs=Fmqs(value=float(noise.normal(60, 8)), components={}),
        volume=VolumeFigures(
            ratio_3=float(noise.normal(1.5, 0.25)),
            taker_delta=made.volume.taker_delta if noise.random() > 0.05 else 0.0,
            obv_slope=made.volume.obv_slope,
        ),
    )


def gatekept(scans: list[dict[str, Analysis]], settings: RuntimeSettings) -> Told:
    """Return what the gatekeeper's own rule makes of *scans*; some never come, some may raise no signal."""
    state, told = State(), Told()
    for number, analyses in enumerate(scans):
        if number in MISSING:
            continue
        scan_id = FIRST + number * SCAN_MS
        degraded = "clock" if number in DEGRADED else ""
        opened = facts.opened(*COINS, scan_id=scan_id, degraded=degraded)
        inhibited = degraded or ("backlog" if number in LATE else "")
        done = settle(
            state, opened, analyses, settings, market=MARKET, settings_version=1, inhibited=inhibited, now=scan_id
        )
        state = done.state
        told.opened |= {
            (decision.analysis.symbol, decision.analysis.side, scan_id)
            for decision in done.decisions
            if decision.signal_id
        }
        told.alerts += sum(alert.kind in ("signal", "group") for alert in done.alerts)
        told.messages += [(Stream.SCANS, opened), (Stream.SCANS, settled(opened, late=number in LATE))]
        told.messages += [(Stream.DECISIONS, decision) for decision in done.decisions]
        told.messages += [(Stream.ALERTS, alert) for alert in done.alerts]
    return told


def settled(scan: ScanOpened, *, late: bool) -> ScanSettled:
    return ScanSettled(
        scan_id=scan.scan_id,
        symbols=len(COINS),
        analysed=len(COINS),
        passed=0,
        alerts=0,
        missing=(),
        at_deadline=False,
        opened_at=scan.opened_at,
        settled_at=scan.opened_at,
        seconds=700.0 if late else 1.0,
    )


async def store(api: Context, messages: list[tuple[Stream, Message]]) -> None:
    """Record *messages* as the API does."""
    for start in range(0, len(messages), 500):
        for stream in Stream:
            if mine := [message for place, message in messages[start : start + 500] if place is stream]:
                await api.bus.publish(stream, mine)
        while found := await api.bus.read(GROUP, CONSUMER, STREAMS, count=2_000, block_ms=20):
            await api.recorder.record(found)


def places(found: list[Mapping[str, Any]]) -> set[tuple[str, str, int]]:
    return {(item["symbol"], item["side"], item["scan_id"]) for item in found}


@pytest.fixture
async def recorded(api: Context, client: httpx.AsyncClient) -> Told:
    """A day and a half under the thresholds as shipped, told by the gatekeeper and recorded."""
    told = gatekept(market(), RuntimeSettings())
    await store(api, told.messages)
    return told


CHANGES: tuple[dict[str, Any], ...] = (
    {"score": 60},
    {"score": 72},
    {"fmqs": 40, "groups": 4},
    {"volume_ratio": 1.6},
    {"persistence": 3},
    {"squeeze_intervals": []},
    {"timeframes": 3, "score": 55},
)


async def test_it_is_what_the_gatekeeper_would_have_opened(
    api: Context, client: httpx.AsyncClient, recorded: Told
) -> None:
    """Signal by signal, with scans that never came, that were degraded, and that could raise no signal."""
    scans = market()
    for change in CHANGES:
        settings = RuntimeSettings(thresholds=Thresholds(**change))
        wanted = gatekept(scans, settings)
        found = (await client.post("/api/what-if", json={"thresholds": change})).json()
        assert places(found["gained"]) == wanted.opened - recorded.opened, change
        assert places(found["lost"]) == recorded.opened - wanted.opened, change
        assert (found["changed"]["signals"], found["changed"]["alerts"]) == (len(wanted.opened), wanted.alerts)
        current = found["current"]
        assert (current["signals"], current["alerts"]) == (len(recorded.opened), recorded.alerts)
        assert current["recorded"] == len(recorded.opened)
    assert len(recorded.opened) > 20


async def test_thresholds_in_force_and_of_one_coin(api: Context, client: httpx.AsyncClient, recorded: Told) -> None:
    """What is compared with is what holds now, not what held then; a coin's own threshold stays its own."""
    own = {"symbol_thresholds": {COINS[0]: {"score": 90}}, "thresholds": {"score": 68}}
    assert (await client.patch("/api/config", json=own)).status_code == 200
    settings = RuntimeSettings(
        thresholds=Thresholds(score=68), symbol_thresholds={COINS[0]: SymbolThresholds(score=90)}
    )
    lower = RuntimeSettings(thresholds=Thresholds(score=62), symbol_thresholds=settings.symbol_thresholds)
    now, then = gatekept(market(), settings), gatekept(market(), lower)
    found = (await client.get("/api/what-if", params={"set": "score=62"})).json()
    assert (found["current"]["signals"], found["changed"]["signals"]) == (len(now.opened), len(then.opened))
    assert places(found["gained"]) == then.opened - now.opened
    assert found["current"]["recorded"] == len(recorded.opened)


async def test_it_begins_in_the_middle_as_the_gatekeeper_went_on(client: httpx.AsyncClient, recorded: Told) -> None:
    """Streaks, open signals and cooldowns of before the first day reach into it."""
    found = (await client.get("/api/what-if", params={"days": 1})).json()
    within = {place for place in recorded.opened if place[2] > found["since"]}
    assert 0 < len(within) < len(recorded.opened)
    assert found["current"]["signals"] == found["current"]["recorded"] == len(within)
    assert (found["gained"], found["lost"]) == ([], [])


async def test_what_they_came_to(api: Context, client: httpx.AsyncClient, recorded: Told) -> None:
    """Outcomes of signals and of near misses count where they have ended; the rest is not invented."""
    asked = {"thresholds": {"persistence": 0}}
    before = (await client.post("/api/what-if", json=asked)).json()
    assert (before["changed"]["with_outcome"], before["changed"]["mean_r_net"]) == (0, None)
    first = {coin: min(place for place in places(before["gained"]) if place[0] == coin) for coin in COINS[:3]}
    hit, missed, followed = (near_miss(*place) for place in first.values())
    ends = [evaluator.ended(hit, 1.8), evaluator.ended(missed, -1.1), followed]
    await store(api, [(Stream.OUTCOMES, outcome) for outcome in ends])
    found = (await client.post("/api/what-if", json=asked)).json()["changed"]
    assert (found["with_outcome"], found["hit_rate"]) == (2, 0.5)
    assert found["mean_r_net"] == pytest.approx(0.35)


def near_miss(symbol: str, side: Any, scan_id: int) -> Outcome:
    name = f"near:persistence:{symbol}:{side}:{scan_id}"
    return evaluator.trade(side, symbol=symbol, scan_id=scan_id, outcome_id=name, subject_id=name, kind="near miss")


async def test_it_says_how_far_the_store_reaches(api: Context, client: httpx.AsyncClient) -> None:
    """Nothing yet, then a part of the days; scans that are missing are counted."""
    empty = (await client.get("/api/what-if")).json()
    assert (empty["scans"], empty["from"], empty["to"]) == (0, None, None)
    assert empty["note"].startswith("No settled scan is stored yet")
    await store(api, gatekept(market(), RuntimeSettings()).messages)
    found = (await client.get("/api/what-if", params={"days": 2})).json()
    assert (found["from"], found["to"], found["scans"]) == (FIRST, NEWEST, SCANS - len(MISSING))
    assert found["missing"] == 2 * 288 - found["scans"]
    assert "scans are not stored" in found["note"]
    short = (await client.get("/api/what-if", params={"days": 1})).json()
    assert (short["scans"], short["from"]) == (288 - len(MISSING), short["since"] + SCAN_MS)


async def test_what_cannot_be_asked_is_refused_in_a_sentence(client: httpx.AsyncClient) -> None:
    """Unknown and impossible thresholds, another market, text that is no setting; nothing is changed by any."""
    for body, said in (
        ({"thresholds": {"scores": 70}}, "there is no threshold 'scores': there are fmqs, groups"),
        ({"thresholds": {"score": 700}}, "thresholds.score: "),
        ({"days": 0}, "days: "),
        ({"market": "okx"}, "market: this API records binance-um, not okx"),
    ):
        refused = await client.post("/api/what-if", json=body)
        assert (refused.status_code, refused.json()["detail"][: len(said)]) == (422, said)
    for text in ("score", "score=high"):
        refused = await client.get("/api/what-if", params={"set": text})
        assert (refused.status_code, refused.json()["detail"][:4]) == (422, "set:")
    assert (await client.get("/api/config/history")).json()["items"] == []


async def test_an_archived_month_gives_the_same_answer(api: Context, client: httpx.AsyncClient, recorded: Told) -> None:
    """Question by question, once all decisions are in a file; a streak of before the first day reaches into it too."""
    questions = [{"thresholds": change, "days": days} for change in CHANGES for days in (1, 7)]
    before = [(await client.post("/api/what-if", json=asked)).json() for asked in questions]
    assert api.database.archive is not None
    month = f"{month_of(FIRST):%Y-%m}"
    assert month == f"{month_of(NEWEST):%Y-%m}"
    close_month(MarketArchive(api.database.url, api.database.market, api.database.archive), month)
    assert (await api.database.rows("SELECT count(*) AS n FROM decisions"))[0]["n"] == 0
    assert [(await client.post("/api/what-if", json=asked)).json() for asked in questions] == before
