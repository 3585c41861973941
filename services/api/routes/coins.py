"""/api/coins: the board, a coin's page, and its gates now and before."""

from __future__ import annotations

from typing import Annotated

from fastapi import HTTPException, Path, Query, Response

from services.api import views
from services.api.context import NOT_FOUND, Context, Time, Uses, Word, answer, moment, now_ms, resource
from services.api.schemas.base import LATEST, TEXT
from services.api.schemas.coins import Board, Coin, Explanation
from services.api.store import queries
from services.api.store.database import DatabaseAwayError
from services.api.store.pages import Filter
from services.api.views.facts import Json
from shared.contracts import FULL_BARS, Decision, Regime, Side
from shared.symbols import resolve

router = resource("coins")
SymbolPath = Annotated[str, Path(max_length=40, pattern=TEXT, description="BTCUSDT, or BTC", examples=["BTCUSDT"])]
History = Annotated[int, Query(ge=0, le=1_000)]


@router.get("/api/coins", response_model=Board)
async def coins(
    context: Uses,
    side: Side | None = None,
    regime: Regime | None = None,
    min_gates: Annotated[int, Query(ge=0, le=20)] = 0,
    search: Word = None,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 1_000,
) -> Response:
    """Return the board: a card of every coin, best first.

    `/api/events?after=` its `event_id` goes on from here.
    """
    board = context.board
    event_id = context.broadcast.newest_id
    cards = board.cards()
    wanted = [
        card
        for card in cards
        if side in (None, card["side"])
        and regime in (None, card["regime"])
        and card["gates_passed"] >= min_gates
        and (search or "").upper() in card["symbol"]
    ]
    return answer(
        {
            "now": now_ms(),
            "exchange_time": board.exchange_time,
            "clock_speed": context.service.environment.clock_speed,
            "event_id": event_id,
            "scan_id": board.newest_scan,
            "scan": board.last_scan(),
            "total": len(cards),
            "items": wanted[:limit],
        }
    )


@router.get("/api/coins/{symbol}", response_model=Coin)
async def coin(
    context: Uses,
    symbol: SymbolPath,
    bars: Annotated[int, Query(ge=1, le=FULL_BARS, description="of each interval")] = 300,
    scans: Annotated[int, Query(ge=0, le=1_000, description="how far back each indicator's history goes")] = 0,
) -> Response:
    """Return a coin's page: its card, the bars of every interval, every indicator, the votes and their weights."""
    decision = await _decision(context, symbol, None)
    name, analysis = decision.analysis.symbol, decision.analysis
    snapshot = context.board.snapshot(name)
    history = await _history(context, name, LATEST, scans)
    return answer(
        {
            "card": _card(context, decision),
            "bars": views.coins.bars(snapshot, bars),
            "futures": views.coins.futures(snapshot),
            "plan": views.facts.as_json(analysis.levels),
            "intervals": views.coins.indicators(decision, history[::-1]),
            "groups": views.facts.as_json(analysis.groups),
            "bonus": views.facts.as_json(analysis.bonus),
            "agreement_parts": analysis.agreement_parts,
            "timeframe_weights": analysis.timeframe_weights,
            "fmqs_detail": views.facts.as_json(analysis.fmqs),
            "sentiment": views.facts.as_json(analysis.sentiment),
            "signals": await _signals(context, name),
        }
    )


@router.get("/api/coins/{symbol}/explain", response_model=Explanation)
async def explain(
    context: Uses,
    symbol: SymbolPath,
    at: Time = None,
    scans: Annotated[int, Query(ge=0, le=1_000, description="how many scans of `history`; 288 are a day")] = 0,
) -> Response:
    """Return the gates with value, threshold, distance and reason, and all that led to them.

    *at* gives the newest scan not later than that time; without it the newest of all.  What is older than
    `recording.retention_days` is read from the archive; without one only signals and near misses are known.
    """
    decision = await _decision(context, symbol, moment(at))
    name, scan_id = decision.analysis.symbol, decision.analysis.scan_id
    is_newest = context.board.decisions.get(name) is decision
    shown = views.explanation.explanation(
        decision, signal=context.board.open_signals().get(name) if is_newest else None
    )
    history = await _history(context, name, scan_id, scans)
    return answer(shown | {"history": [views.explanation.judged(earlier) for earlier in history]})


def _card(context: Context, decision: Decision) -> Json:
    if context.board.decisions.get(decision.analysis.symbol) is decision:
        return context.board.card(decision.analysis.symbol)
    return views.cards.card(decision)


async def _decision(context: Context, symbol: str, at: int | None) -> Decision:
    """Return the newest decision about the coin that *symbol* means, not later than *at*; raise 404."""
    board = context.board
    for name in resolve(symbol, board.decisions):
        held = board.decisions.get(name)
        if held is not None and (at is None or held.analysis.scan_id <= at):
            return held
        try:
            found = await queries.decision(context.database, name, LATEST if at is None else at)
        except DatabaseAwayError:
            if at is not None:
                raise
            continue
        if found is not None:
            return found
    raise HTTPException(NOT_FOUND, f"nothing is known of {symbol}" + ("" if at is None else " at that time"))


async def _history(context: Context, symbol: str, at: int, scans: int) -> list[Decision]:
    """Return the newest *scans* decisions up to *at*, newest first; none without the database."""
    if not scans:
        return []
    try:
        return await queries.decisions_before(context.database, symbol, at, scans)
    except DatabaseAwayError:
        return []


async def _signals(context: Context, symbol: str) -> list[Json]:
    """Return the coin's newest signals, without the database those in memory."""
    try:
        return (await queries.signals(context.database, Filter().add("symbol = %s", symbol), 50)).rows
    except DatabaseAwayError:
        held = [signal for signal in context.board.signals.values() if signal["symbol"] == symbol]
        return sorted(held, key=lambda signal: -int(signal["scan_id"]))
