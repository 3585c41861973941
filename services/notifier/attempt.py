"""One attempt to tell one destination of one alert.

It is marked before it is sent and closed with its report.  Only what certainly was not delivered is
tried again; what may have arrived is `unknown` and, by default, left at that.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from redis.exceptions import RedisError

from services.notifier import queues
from services.notifier.channels import discord, telegram
from services.notifier.channels.outcome import Ambiguous, Later, NotDelivered, Parked
from services.notifier.context import Context
from services.notifier.ledger import Mark, now_ms, report_of
from services.notifier.parking import Parking, fingerprint, word_of
from services.notifier.samples import TEST
from services.notifier.telling import tell
from shared.contracts import Alert, DeliveryReport, DeliveryStatus
from shared.destinations import Destination, DiscordDestination, TelegramDestination
from shared.settings import RuntimeSettings

FIRST_BACKOFF_S: Final = 2.0
PARENT_POLL_S: Final = 2
PARENT_SHARE: Final = 0.5  #: of the expiry that a reply waits for its parent's message
LONGEST_TURN_S: Final = 5.0  #: that a worker waits for a chat's turn; it serves no other destination
LIMIT_SLACK_S: Final = 10.0  #: beyond the channel's own limits, for drawing and logging in

log = structlog.get_logger()


async def attempt(context: Context, alert: Alert, name: str) -> float | None:
    """Make one attempt; return the seconds to the next one, or None when it is over."""
    data, mark, parking = await context.ledger.state(alert.alert_id, name)
    settings = context.settings(data)
    if mark.final and not (mark.status == "unknown" and settings.delivery.repeat_unknown):
        return None
    return await _Attempt(context, alert, name, settings, mark, parking).run()


class _Attempt:
    """One attempt's work."""

    def __init__(
        self,
        context: Context,
        alert: Alert,
        name: str,
        settings: RuntimeSettings,
        mark: Mark,
        parking: Parking | None,
    ) -> None:
        self.context, self.alert, self.name = context, alert, name
        self.settings, self.mark, self.parking = settings, mark, parking
        self.destination: Destination | None = settings.destinations.get(name)
        self.number = mark.attempt + 1
        self.began = time.monotonic()

    async def run(self) -> float | None:
        if self.mark.open and await self._left_open():
            return None
        if self.destination is None:
            return await self._end("suppressed", "destination removed")
        if now_ms() - self.alert.created_at > self.settings.delivery.expiry_seconds * 1_000:
            return await self._end("expired", "too late")
        if await self._parked():
            return await self._end("rejected", "parked")
        if (wait := await self._wait()) is not None:
            return wait
        return await self._send()

    async def _left_open(self) -> bool:
        """Record the attempt of a process that died in it; return whether that ends the delivery."""
        began = self.mark.attempt
        report = report_of(self.alert, self.name, self._channel, began, "unknown", reason="died while sending")
        await self.context.ledger.close(report)
        return not self.settings.delivery.repeat_unknown

    async def _parked(self) -> bool:
        if self.parking is None:
            return False
        if self.parking.fingerprint == self._fingerprint and not self.alert.alert_id.startswith(TEST):
            return True
        await self.context.ledger.unpark(self.name)
        return False

    async def _wait(self) -> float | None:
        """Return how long to wait for the signal that this is the end of, or for the other side's pace."""
        rates = self.context.rates
        if await self._parent_to_come():
            return PARENT_POLL_S
        match self.destination:
            case TelegramDestination(chat_id=chat_id):
                return await _turn(lambda: rates.wait(chat_id))
            case DiscordDestination() as room:
                return await _turn(lambda: rates.held(discord.EVERYWHERE, discord.lane(room)))
        return None

    async def _parent_to_come(self) -> bool:
        parent = self.alert.parent_id
        age = (now_ms() - self.alert.created_at) / 1_000
        if not parent or age > PARENT_SHARE * self.settings.delivery.expiry_seconds:
            return False
        if (await self.context.ledger.mark(parent, self.name)).final:
            return False
        return await asyncio.to_thread(self.context.outbox.waiting, parent, self.name)

    async def _send(self) -> float | None:  # noqa: PLR0911 - one return an outcome
        if not await self.context.ledger.begin(self.alert.alert_id, self.name, self.number):
            log.warning("another worker has begun this attempt", alert=self.alert.alert_id, destination=self.name)
            return float(queues.JOB_SECONDS)  # whatever became of it is known by then
        self.began = time.monotonic()
        try:
            limit = 2 * self.settings.delivery.timeout_seconds + LIMIT_SLACK_S
            async with asyncio.timeout(min(limit, queues.JOB_SECONDS - 10)):
                reference = await tell(self.context, self.alert, self.name, self.destination, self.settings)
        except telegram.Migrated as moved:
            return await self._migrate(moved)
        except Later as error:
            return await self._later(error)
        except Parked as error:
            return await self._park(error)
        except NotDelivered as error:
            return await self._end("rejected", error.reason, error.detail)
        except Ambiguous as error:
            return await self._unknown(error.reason, error.detail)
        except TimeoutError:
            return await self._unknown("no answer in time", "")
        except RedisError:
            raise
        except Exception as error:
            log.error("a channel failed", destination=self.name, channel=self._channel, exc_info=error)
            return await self._unknown("channel failed", type(error).__name__)
        return await self._end("sent", reference=reference)

    async def _end(
        self, status: DeliveryStatus, reason: str = "", detail: str = "", reference: str = ""
    ) -> float | None:
        """Close the attempt; there is no next one."""
        await self.context.ledger.close(self._report(status, reason, detail, reference))
        return None

    async def _unknown(self, reason: str, detail: str) -> float | None:
        await self._end("unknown", reason, detail)
        return self._backoff() if self.settings.delivery.repeat_unknown else None

    async def _later(self, error: Later) -> float:
        await self._end("retrying", error.reason, error.detail)
        if isinstance(self.destination, TelegramDestination) and error.after:
            await self.context.rates.hold(self.destination.chat_id, error.after)
        return self._backoff(error.after)

    def _backoff(self, after: float | None = None) -> float:
        """Return the seconds to the next attempt: doubling, jittered, never sooner than asked for."""
        longest = self.settings.delivery.longest_backoff_seconds
        jittered: float = min(longest, FIRST_BACKOFF_S * 2 ** min(self.number - 1, 20)) * random.uniform(0.5, 1.0)
        return max(jittered, (after or 0.0) + (0.5 if after else 0.0), 1.0)

    async def _migrate(self, moved: telegram.Migrated) -> float:
        if isinstance(self.destination, TelegramDestination):
            await self.context.ledger.migrate(self.destination.chat_id, moved.chat_id)
        await self._end("retrying", moved.reason)
        return 1.0

    async def _park(self, error: Parked) -> float | None:
        """Leave the destination alone until its settings change, and say so elsewhere."""
        parking = Parking(now_ms(), error.reason, self._fingerprint)
        await self.context.ledger.park(self.name, parking)
        word = word_of(self.name, parking, error.detail)
        await self.context.ledger.close(self._report("rejected", error.reason, error.detail), word)
        return None

    def _report(
        self, status: DeliveryStatus, reason: str = "", detail: str = "", reference: str = ""
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


async def _turn(left: Callable[[], Awaitable[float | None]]) -> float | None:
    """Wait here for a turn that is near, which keeps the order; else return the seconds to it."""
    patience = time.monotonic() + LONGEST_TURN_S
    while (wait := await left()) is not None:
        if time.monotonic() + wait > patience:
            return wait
        await asyncio.sleep(wait)
    return None
