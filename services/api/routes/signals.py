"""/api/signals: open and past signals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import Depends, HTTPException, Response

from services.api import views
from services.api.context import NOT_FOUND, Cursor, Limit, Symbol, Time, Uses, answer, moment, resource
from services.api.schemas.signals import SignalDetail, Signals, StatusFilter
from services.api.store import queries
from services.api.store.pages import Filter
from shared.contracts import Side
from shared.symbols import pair_of

router = resource("signals")


def given_filters(
    status: StatusFilter | None = None,
    symbol: Symbol = None,
    side: Side | None = None,
    since: Time = None,
    until: Time = None,
) -> dict[str, str]:
    """Return the query parameters that a list of signals is asked with, those that were given."""
    wanted = {"status": status, "symbol": symbol, "side": side, "since": since, "until": until}
    return {name: value for name, value in wanted.items() if value is not None}


GivenFilters = Annotated[dict[str, str], Depends(given_filters)]


@router.get("/api/signals", response_model=Signals)
async def signals(context: Uses, given: GivenFilters, limit: Limit = 100, cursor: Cursor = None) -> Response:
    """Return signals, newest first."""
    page = await queries.signals(context.database, filters_of(given), limit, cursor)
    return answer({"items": page.rows, "next_cursor": page.next_cursor})


@router.get("/api/signals/{signal_id}", response_model=SignalDetail)
async def signal(context: Uses, signal_id: str) -> Response:
    """Return one signal with its lifecycle, every alert about it, and how those arrived."""
    found = (await queries.signals(context.database, Filter().add("signal_id = %s", signal_id), 1)).rows
    if not found:
        raise HTTPException(NOT_FOUND, "no such signal")
    alerts = await queries.alerts_about(context.database, signal_id)
    deliveries = await queries.deliveries_of(
        context.database, [found[0]["alert_id"], *(message.alert_id for message in alerts)]
    )
    return answer(
        found[0]
        | {
            "lifecycle": views.alerts.lifecycle(found[0], alerts),
            "alerts": [views.alerts.alert(message) for message in alerts],
            "deliveries": deliveries,
        }
    )


def filters_of(given: Mapping[str, str]) -> Filter:
    """Return the conditions of the parameters that were *given*, see `given_filters`."""
    symbol, status = given.get("symbol"), given.get("status")
    filters = Filter().add("symbol = %s", symbol and pair_of(symbol)).add("side = %s", given.get("side"))
    filters.add("scan_id >= %s", moment(given.get("since"))).add("scan_id <= %s", moment(given.get("until")))
    return filters.add("status <> %s", "open") if status == "closed" else filters.add("status = %s", status)
