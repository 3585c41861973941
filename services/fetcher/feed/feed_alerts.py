"""Alerts about the feed itself: one when it begins to fail, one when it works again.

Active alerts are in the leader's state, so a restart repeats none and forgets none.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final

import structlog

from services.fetcher.exchange import Exchange, Feed
from services.fetcher.feed.clock import ExchangeClock
from services.fetcher.scan.leader_state import LeaderState
from shared import ids
from shared.contracts import Alert, Stream, SystemBody
from shared.runtime.service import Service

EVERY_S: Final = 0.5
SILENT_LEAST_S: Final = 20.0  #: wall time, at any speed of the clock
RECOVERED: Final = "recovered"
#: why the exchange refuses this address -> what that means, and what follows; {name}, {advice} are the exchange's
REFUSALS: Final = {
    "banned": ("Too many requests came from this address (HTTP 418).", "Nothing is asked until the ban is over."),
    "firewall": ("Its firewall turned this address away (HTTP 403).", "It is asked again every five minutes."),
    "challenge": ("Its firewall asks for a browser (HTTP 202).", "It is asked again every minute."),
    "region not served": (
        "{name} Futures are not offered where this address is (HTTP 451).",
        "It is asked again every quarter of an hour. {advice}",
    ),
}

log = structlog.get_logger()


class FeedAlerts:
    """Watches the exchange's budget and the feed."""

    def __init__(
        self, service: Service, clock: ExchangeClock, state: LeaderState, exchange: Exchange, feed: Feed
    ) -> None:
        self._service = service
        self._clock = clock
        self._state = state
        self._exchange = exchange
        self._feed = feed

    async def watch(self) -> None:
        """Alert what has begun or ended since the last check."""
        await self._refusal()
        await self._silence()
        await asyncio.sleep(EVERY_S)

    async def _refusal(self) -> None:
        reason = self._exchange.budget.refused_for
        if reason is None:
            return
        has = self._exchange.capabilities
        lines = tuple(
            line.format(name=has.name, advice=has.region_advice).rstrip() for line in REFUSALS.get(reason, ())
        )
        begun = SystemBody(code="exchange refuses", headline=f"{has.name} refuses this address: {reason}", lines=lines)
        over = SystemBody(code=RECOVERED, headline=f"{has.name} answers again")
        await self._tell("refused", bool(reason), begun, over)

    async def _silence(self) -> None:
        """Alert when the feed is silent for long; connections may stand all the same: only data counts."""
        settings = self._service.settings.settings.feed
        if not self._clock.speed:
            return  # in lockstep silence says nothing
        longest = max(SILENT_LEAST_S, settings.stale_seconds / self._clock.speed)
        silent = not settings.rest_only and self._feed.unheard_seconds > longest
        if not (silent or self._feed.up or settings.rest_only):
            return  # a restart has yet to hear
        begun = SystemBody(
            code="streams silent",
            headline="The market streams bring nothing: bars and prices come over REST",
            lines=("Connected or not, some of them have sent no data; their sockets are replaced until they do.",),
        )
        well = "The streams are not used any more" if settings.rest_only else "The market streams bring data again"
        over = SystemBody(code=RECOVERED, headline=well)
        await self._tell("silent", silent, begun, over)

    async def _tell(self, name: str, wrong: bool, begun: SystemBody, over: SystemBody) -> None:
        field = f"alarm:{name}"
        since = self._state.fields.get(field, b"").decode()
        if wrong == bool(since):
            return
        wall = time.time_ns() // 1_000_000
        at = self._clock.now() or wall  # after a refusal from the start the exchange's time is unknown
        body = begun if wrong else over
        alert = Alert(
            alert_id=ids.system_alert_id(self._service.bus.market, f"{name}:{at}" if wrong else f"{name}:{since}:over"),
            kind="system",
            body=body,
            occurred_at=at,
            created_at=wall,
        )
        change = {field: str(at).encode() if wrong else None}
        await self._state.commit(change, [(Stream.ALERTS, alert)], said=lambda: (field in self._state.fields) == wrong)
        log.warning("alarm" if wrong else "alarm over", alarm=name, headline=body.headline)
