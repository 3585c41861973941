"""List the alerts that did not arrive, and send them again; possible for a day, while finished jobs are kept.

Run as ``python -m services.notifier.cli.resend [ALERT_ID [DESTINATION]]``; `./sevengate resend` does.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec
from redis.exceptions import RedisError
from rq.exceptions import DeserializationError
from rq.job import Job
from rq.serializers import JSONSerializer

from services.notifier.delivery import queues
from services.notifier.delivery.delivery_log import DeliveryLog, now_ms
from shared.bus import RedisBus
from shared.config.environment import Environment
from shared.contracts import Alert, SettingsChanged
from shared.runtime.watched_queue import connect

EXIT_UNUSABLE = 2


@dataclass(frozen=True)
class FailedDelivery:
    """A delivery that ended without arriving, as far as is known."""

    alert: Alert
    destination: str
    status: str  #: unknown, rejected or expired


class ResendService:
    """Finds and repeats deliveries."""

    def __init__(self, environment: Environment) -> None:
        self._connection = connect(environment)
        self._bus = RedisBus(environment.redis_url, environment.market)
        self._delivery_log = DeliveryLog(self._bus)
        self._outbox = queues.Outbox(self._connection, environment.market)

    async def missed(self) -> list[FailedDelivery]:
        """Return the deliveries that ended unknown, rejected or expired, oldest first."""
        found: list[FailedDelivery] = []
        for name in await self._destinations():
            for alert in self._finished(name):
                mark = await self._delivery_log.state_of(alert.alert_id, name)
                if mark.final and mark.status not in ("sent", "suppressed"):
                    found.append(FailedDelivery(alert, name, mark.status))
        return sorted(found, key=lambda item: item.alert.created_at)

    async def again(self, missed: FailedDelivery) -> None:
        """Send it with the present time, so that it is not expired."""
        await self._delivery_log.forget(missed.alert.alert_id, missed.destination)
        self._outbox.again(msgspec.structs.replace(missed.alert, created_at=now_ms()), missed.destination)

    async def _destinations(self) -> list[str]:
        settings = await self._bus.newest_setting(SettingsChanged)
        return [] if settings is None else list(settings.value.get("destinations", {}))

    def _finished(self, destination: str) -> Iterator[Alert]:
        registry = self._outbox.queue(destination).finished_job_registry
        for job in Job.fetch_many(registry.get_job_ids(), connection=self._connection, serializer=JSONSerializer):
            if job is not None:
                # what arrived is kept without its alert: by another call, or emptied by an earlier version
                with contextlib.suppress(queues.Unreadable, DeserializationError, IndexError):
                    yield queues.unpack(job.args[0])

    async def close(self) -> None:
        await self._bus.close()
        self._connection.close()


async def main(environment: Environment, alert_id: str, destination: str) -> int:
    """List the deliveries, or send the matching ones again; return the exit status."""
    service = ResendService(environment)
    try:
        missed = await service.missed()
        return await _again(service, missed, alert_id, destination) if alert_id else _list(missed)
    except (RedisError, OSError) as error:
        print(f"The bus does not answer: {error}", file=sys.stderr)
        return EXIT_UNUSABLE
    finally:
        await service.close()


def _list(missed: list[FailedDelivery]) -> int:
    for item in missed:
        print(f"{item.status:9} {item.destination:16} {item.alert.alert_id}")
    print(f"{len(missed)} did not arrive")
    return 0


async def _again(service: ResendService, missed: list[FailedDelivery], alert_id: str, destination: str) -> int:
    chosen = [item for item in missed if item.alert.alert_id == alert_id and destination in ("", item.destination)]
    for item in chosen:
        await service.again(item)
        print(f"again: {item.alert.alert_id} to {item.destination}")
    if not chosen:
        where = f" at {destination}" if destination else ""
        print(f"{alert_id!r} is not among what did not arrive{where}; without arguments it is listed", file=sys.stderr)
    return 0 if chosen else 1


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it without a traceback
    words = [*sys.argv[1:], "", ""]
    sys.exit(asyncio.run(main(Environment(), words[0], words[1])))
