"""The objects that a delivering process keeps between its jobs."""

from __future__ import annotations

from dataclasses import dataclass, field

from services.notifier.delivery import queues
from services.notifier.delivery.delivery_log import DeliveryLog
from services.notifier.delivery.rate_limits import RateLimiter
from shared.bus import RedisBus
from shared.config.environment import Environment
from shared.config.sealing import settings_from
from shared.contracts import SettingsChanged
from shared.runtime.watched_queue import connect
from shared.sending.channel import SendContext
from shared.settings import RuntimeSettings


@dataclass
class DeliveryContext:
    """The connections, and the newest known settings."""

    environment: Environment
    bus: RedisBus
    delivery_log: DeliveryLog
    sending: SendContext  #: what a channel may use
    outbox: queues.Outbox
    _settings: tuple[SettingsChanged | None, RuntimeSettings] = field(default=(None, RuntimeSettings()))

    @classmethod
    def of(cls, environment: Environment) -> DeliveryContext:
        bus = RedisBus(environment.redis_url, environment.market)
        outbox = queues.Outbox(connect(environment), environment.market)
        delivery_log = DeliveryLog(bus)
        sending = SendContext(environment, RateLimiter(bus), delivery_log)
        return cls(environment, bus, delivery_log, sending, outbox)

    async def settings(self) -> RuntimeSettings:
        """Return the newest settings on the bus; where it has none, the last known ones."""
        event = await self.bus.newest_setting(SettingsChanged)
        if event is not None and event is not self._settings[0]:
            self._settings = (event, settings_from(event.value, self.environment.sealing_key))
        return self._settings[1]
