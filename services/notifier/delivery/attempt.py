"""One attempt to deliver one alert to one destination.

It is recorded before it is sent and closed with its report.  Only an alert that certainly did not arrive is
tried again; one that may have arrived is `unknown` and, by default, not repeated.
"""

from __future__ import annotations

import asyncio
import random
import time
from typing import Final

import structlog
from redis.exceptions import RedisError

from services.notifier.cli.sample_alerts import TEST
from services.notifier.delivery import queues
from services.notifier.delivery.context import DeliveryContext
from services.notifier.delivery.delivery_log import DeliveryState, now_ms, report_of
from services.notifier.delivery.dispatch import dispatch
from services.notifier.delivery.suspension import Suspension, fingerprint, notice_of
from shared import ids
from shared.contracts import Alert, DeliveryReport, DeliveryStatus
from shared.destinations import CHANNELS, Destination
from shared.sending import departure
from shared.sending.departure import Departure
from shared.sending.results import Ambiguous, Later, NotDelivered, Reason, Suspended
from shared.settings import RuntimeSettings

FIRST_BACKOFF_S: Final = 2.0
PARENT_POLL_S: Final = 2
PARENT_SHARE: Final = 0.5  #: of the expiry that a reply waits for its parent's message
LONGEST_TURN_S: Final = 5.0  #: that a worker waits for a chat's turn; it serves no other destination
LIMIT_SLACK_S: Final = 10.0  #: beyond the channel's own limits, for drawing and logging in

log = structlog.get_logger()


async def attempt(context: DeliveryContext, alert: Alert, name: str) -> float | None:
    """Make one attempt; return the seconds to the next one, or None when it is over."""
    settings = await context.settings()
    state, suspension = await context.delivery_log.load(alert.alert_id, name)
    if state.final and not (state.status == "unknown" and settings.delivery.repeat_unknown):
        return None
    return await _Attempt(context, alert, name, settings, state, suspension).run()


class _Attempt:
    """One attempt's work."""

    def __init__(
        self,
        context: DeliveryContext,
        alert: Alert,
        name: str,
        settings: RuntimeSettings,
        state: DeliveryState,
        suspension: Suspension | None,
    ) -> None:
        self.context, self.alert, self.name = context, alert, name
        self.settings, self.state, self.suspension = settings, state, suspension
        self.destination: Destination | None = settings.destinations.get(name)
        self.number = state.attempt + 1
        self.began = time.monotonic()

    async def run(self) -> float | None:
        if self.state.open and await self._left_open():
            return None
        if self.destination is None:
            return await self._end("suppressed", "destination removed")
        if now_ms() - self.alert.created_at > self.settings.delivery.expiry_seconds * 1_000:
            return await self._end("expired", "too late")
        if await self._is_suspended():
            return await self._end("rejected", "suspended")
        if (wait := await self._wait()) is not None:
            return wait
        return await self._send(self.destination)

    async def _left_open(self) -> bool:
        """Record the attempt of a process that died in it; return whether that ends the delivery."""
        began = self.state.attempt
        report = report_of(self.alert, self.name, self._channel, began, "unknown", reason="died while sending")
        await self.context.delivery_log.close(report)
        return not self.settings.delivery.repeat_unknown

    async def _is_suspended(self) -> bool:
        if self.suspension is None:
            return False
        if self.suspension.fingerprint == self._fingerprint and not self._is_test:
            return True
        await self.context.delivery_log.resume(self.name)
        return False

    @property
    def _is_test(self) -> bool:
        return self.alert.alert_id.startswith(ids.system_alert_id(self.context.bus.market, TEST))

    async def _wait(self) -> float | None:
        """Return how long to wait for the signal that this is the end of, or for the other side's pace."""
        if await self._parent_to_come():
            return PARENT_POLL_S
        return None if self.destination is None else await self._turn(self.destination)

    async def _turn(self, destination: Destination) -> float | None:
        """Wait here for a turn that is near, which keeps the order; else return the seconds until then."""
        channel, patience = CHANNELS[destination.channel], time.monotonic() + LONGEST_TURN_S
        while (wait := await channel.turn(destination, self.context.sending)) is not None:
            if time.monotonic() + wait > patience:
                return wait
            await asyncio.sleep(wait)
        return None

    async def _parent_to_come(self) -> bool:
        parent = self.alert.parent_id
        age = (now_ms() - self.alert.created_at) / 1_000
        if not parent or age > PARENT_SHARE * self.settings.delivery.expiry_seconds:
            return False
        if (await self.context.delivery_log.state_of(parent, self.name)).final:
            return False
        return await asyncio.to_thread(self.context.outbox.waiting, parent, self.name)

    async def _send(self, destination: Destination) -> float | None:
        if not await self.context.delivery_log.begin(self.alert.alert_id, self.name, self.number):
            log.warning("another worker has begun this attempt", alert=self.alert.alert_id, destination=self.name)
            return float(queues.JOB_SECONDS)  # its outcome is known by then
        self.began = time.monotonic()
        with departure.watched() as departed:
            return await self._dispatch(destination, departed)

    async def _dispatch(self, destination: Destination, departed: Departure) -> float | None:  # noqa: PLR0911
        """Send; return the seconds to the next attempt: where nothing has left, there always is one."""
        try:
            limit = 2 * self.settings.delivery.timeout_seconds + LIMIT_SLACK_S
            async with asyncio.timeout(min(limit, queues.JOB_SECONDS - 10)):
                reference = await dispatch(self.context, self.alert, self.name, destination, self.settings, self.state)
        except Later as error:
            return await self._later(error)
        except Suspended as error:
            return await self._suspend(error)
        except NotDelivered as error:
            return await self._end("rejected", error.reason, error.detail)
        except Ambiguous as error:
            return await self._unknown(error.reason, error.detail)
        except TimeoutError:
            if not departed.left:
                return await self._later(Later("no answer in time"))
            return await self._unknown("no answer in time", "")
        except RedisError:
            raise
        except Exception as error:
            log.error("a channel failed", destination=self.name, channel=self._channel, exc_info=error)
            if not departed.left:
                return await self._later(Later("channel failed", type(error).__name__))
            return await self._unknown("channel failed", type(error).__name__)
        return await self._end("sent", reference=reference)

    async def _end(
        self,
        status: DeliveryStatus,
        reason: Reason = "",
        detail: str = "",
        reference: str = "",
        taken: tuple[str, ...] = (),
    ) -> float | None:
        """Close the attempt; there is no next one."""
        report = self._report(status, reason, detail, reference)
        await self.context.delivery_log.close(report, taken=taken)
        return None

    async def _unknown(self, reason: Reason, detail: str) -> float | None:
        await self._end("unknown", reason, detail)
        return self._backoff() if self.settings.delivery.repeat_unknown else None

    async def _later(self, error: Later) -> float:
        await self._end("retrying", error.reason, error.detail, taken=error.taken)
        return self._backoff(error.after)

    def _backoff(self, after: float | None = None) -> float:
        """Return the seconds to the next attempt: doubling, jittered, never sooner than asked for."""
        longest = self.settings.delivery.longest_backoff_seconds
        jittered: float = min(longest, FIRST_BACKOFF_S * 2 ** min(self.number - 1, 20)) * random.uniform(0.5, 1.0)
        return max(jittered, (after or 0.0) + (0.5 if after else 0.0), 1.0)

    async def _suspend(self, error: Suspended) -> float | None:
        """Leave the destination alone until its settings change, and say so elsewhere."""
        suspension = Suspension(now_ms(), error.reason, self._fingerprint)
        await self.context.delivery_log.suspend(self.name, suspension)
        notice = notice_of(self.context.bus.market, self.name, suspension, error.detail)
        await self.context.delivery_log.close(self._report("rejected", error.reason, error.detail), notice)
        return None

    def _report(
        self, status: DeliveryStatus, reason: Reason = "", detail: str = "", reference: str = ""
    ) -> DeliveryReport:
        return report_of(
            self.alert,
            self.name,
            self._channel,
            self.number,
            status,
            reason=reason,
            detail=detail,
            reference=reference,
            seconds=time.monotonic() - self.began,
        )

    @property
    def _channel(self) -> str:
        return self.destination.channel if self.destination is not None else ""

    @property
    def _fingerprint(self) -> str:
        return fingerprint(self.destination, self.context.environment)
