"""What people are told of the feed itself: one alert when it begins to fail, one when it is well again.

The alarms that stand are in the journal, so a restart tells nothing twice and forgets nothing.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final

import structlog

from services.fetcher.binance.streams import Streams
from services.fetcher.budget import Ledger
from services.fetcher.clock import ExchangeClock
from services.fetcher.journal import Journal
from shared.contracts import Alert, Stream, SystemBody
from shared.service import Service

EVERY_S: Final = 0.5
SILENT_LEAST_S: Final = 20.0  #: wall time, whatever the clock's speed
RECOVERED: Final = "recovered"
#: why the exchange refuses this address -> what that means
REFUSALS: Final = {
    "banned": ("Too many requests came from this address (HTTP 418).", "Nothing is asked until the ban is over."),
    "firewall": ("Its firewall turned this address away (HTTP 403).", "It is asked again every five minutes."),
    "region not served": (
        "Binance Futures are not offered where this address is (HTTP 451).",
        "It is asked again every quarter of an hour. SEVENGATE_BINANCE_REST_URL and _WS_URL name a mirror of yours.",
    ),
}

log = structlog.get_logger()


class Alarms:
    """Watches the ledger and the streams."""

    def __init__(
        self, service: Service, clock: ExchangeClock, journal: Journal, ledger: Ledger, streams: Streams
    ) -> None:
        self._service = service
        self._clock = clock
        self._journal = journal
        self._ledger = ledger
        self._streams = streams

    async def watch(self) -> None:
        """Tell what has begun or ended since the last look."""
        await self._refusal()
        await self._silence()
        await asyncio.sleep(EVERY_S)

    async def _refusal(self) -> None:
        reason = self._ledger.refused_for
        if reason is None:
            return
        begun = SystemBody(
            code="exchange refuses",
            headline=f"Binance refuses this address: {reason}",
            lines=REFUSALS.get(reason, ()),
        )
        await self._tell("refused", bool(reason), begun, SystemBody(code=RECOVERED, headline="Binance answers again"))

    async def _silence(self) -> None:
        """Streams that are silent for long were connected and acknowledged all the same: only data counts."""
        feed = self._service.settings.settings.feed
        if not self._clock.speed:
            return  # in lockstep silence says nothing
        longest = max(SILENT_LEAST_S, feed.stale_seconds / self._clock.speed)
        silent = not feed.rest_only and self._streams.unheard_seconds > longest
        if not (silent or self._streams.up or feed.rest_only):
            return  # a restart has yet to hear
        begun = SystemBody(
            code="streams silent",
            headline="The market streams bring nothing: bars and prices come over REST",
            lines=("Connected or not, some of them have sent no data; their sockets are replaced until they do.",),
        )
        well = "The streams are not used any more" if feed.rest_only else "The market streams bring data again"
        over = SystemBody(code=RECOVERED, headline=well)
        await self._tell("silent", silent, begun, over)

    async def _tell(self, name: str, wrong: bool, begun: SystemBody, over: SystemBody) -> None:
        field = f"alarm:{name}"
        since = self._journal.fields.get(field, b"").decode()
        if wrong == bool(since):
            return
        wall = time.time_ns() // 1_000_000
        at = self._clock.now() or wall  # an exchange that refuses from the start has never told its time
        body = begun if wrong else over
        alert = Alert(
            alert_id=f"system:{name}:{at}" if wrong else f"system:{name}:{since}:over",
            kind="system",
            body=body,
            occurred_at=at,
            created_at=wall,
        )
        change = {field: str(at).encode() if wrong else None}
        await self._journal.commit(
            change, [(Stream.ALERTS, alert)], said=lambda: (field in self._journal.fields) == wrong
        )
        log.warning("alarm" if wrong else "alarm over", alarm=name, headline=body.headline)
