"""/api/refresh: ask the fetcher for newer data."""

from __future__ import annotations

from fastapi import Response

from services.api.context import Context, Uses, answer, now_ms, resource
from services.api.routes.status import ages, fetcher_field
from services.api.schemas.status import Refreshed, RefreshState
from services.api.views.facts import Json
from shared.contracts import RefreshRequested
from shared.reports import REFRESHED, RefreshDone

router = resource("refresh")
COALESCED_MS = 10_000  #: a request covers those of the next ten seconds


@router.post("/api/refresh", status_code=202, response_model=Refreshed)
async def refresh(context: Uses) -> Response:
    """Ask for prices and derivatives that are older than they could be, within the exchange's budget.

    Requests of ten seconds are one.  A settled scan is not judged again.
    """
    now = now_ms()
    held = context.publisher.refresh_requested
    coalesced = now - held < COALESCED_MS
    if not coalesced:
        context.publisher.refresh_requested = held = now
        await context.bus.publish_settings(RefreshRequested(version=now, at=now))
    return answer({"requested_at": held, "coalesced": coalesced, **_ages(context)}, 202)


@router.get("/api/refresh", response_model=RefreshState)
async def refreshed(context: Uses) -> Response:
    """Return what the fetcher did for the last refresh, and how old the data is now."""
    held = context.publisher.refresh_requested
    done = await fetcher_field(context, REFRESHED, RefreshDone)
    shown = {"at": done.at, "polled": done.polled, "coins": done.coins, "problem": done.problem} if done else None
    is_of_this = done is not None and done.version >= held
    return answer({"requested_at": held or None, "done": shown if is_of_this else None, **_ages(context)})


def _ages(context: Context) -> Json:
    old = ages(context)
    derivatives = [age for name in ("funding", "open_interest", "ratios") if (age := old[name]) is not None]
    return {"price_age": old["price"], "derivatives_age": max(derivatives, default=None)}
