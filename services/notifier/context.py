"""What a delivering process keeps between its jobs."""

from __future__ import annotations

from dataclasses import dataclass, field

from services.notifier import queues
from services.notifier.ledger import Ledger
from services.notifier.rates import Rates
from shared.bus import RedisBus, from_wire
from shared.contracts import SettingsChanged
from shared.settings import Environment, RuntimeSettings


@dataclass
class Context:
    """The connections, and the newest settings as far as they are known here."""

    environment: Environment
    bus: RedisBus
    ledger: Ledger
    rates: Rates
    outbox: queues.Outbox
    _settings: tuple[bytes, RuntimeSettings] = field(default=(b"", RuntimeSettings()))

    @classmethod
    def of(cls, environment: Environment) -> Context:
        bus = RedisBus(environment.redis_url, environment.market)
        outbox = queues.Outbox(queues.connect(environment.redis_url), environment.market)
        return cls(environment, bus, Ledger(bus), Rates(bus), outbox)

    def settings(self, data: bytes | None) -> RuntimeSettings:
        """Return the settings in *data*, the newest on the bus; what is held where it has none."""
        if data and data != self._settings[0]:
            event = from_wire(data)
            if isinstance(event, SettingsChanged):
                self._settings = (data, RuntimeSettings.model_validate(event.value))
        return self._settings[1]
