"""The runtime settings and their validation.

They are one whole, versioned value that the API publishes on `settings`; config.yaml has its shape, and every
◇ default stands here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    Field,
    SecretStr,
    ValidationError,
    create_model,
    field_validator,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from shared.config.mistakes import sentence
from shared.config.sections import Kind, Percentage, QuietHours, Section, Side, TimeOrNever
from shared.destinations import Destination
from shared.gates import GATES
from shared.sending.destination import DestinationName, Network, may_be_called
from shared.symbols import pair_of, pattern_of

Share = Annotated[float, Field(ge=0, le=1)]
Coin = Annotated[str, AfterValidator(pair_of)]  #: a coin's name: link is LINKUSDT


class UniverseSettings(Section):
    """Which coins are watched."""

    size: int = Field(default=150, ge=1, le=600)
    min_quote_volume: float = Field(default=10_000_000, ge=0)  #: USDT in 24 h
    min_age_days: int = Field(default=0, ge=0)  #: since the listing; too short a history is refused anyway
    include: tuple[Coin, ...] = ()
    exclude: tuple[Coin, ...] = ()
    hysteresis: Share = 0.1  #: a held coin leaves only below rank size × (1 + this)


class FeedSettings(Section):
    """How the market is read."""

    rest_only: bool = False
    grace_seconds: float = Field(default=3.0, gt=0, le=60)  #: wall time to wait for late bars after a close
    budget_share: float = Field(default=0.8, gt=0, le=1)  #: of the exchange's weight limit
    stale_seconds: float = Field(
        default=60.0, gt=0
    )  #: exchange clock: after this time without data a stream is reported and replaced
    socket_hours: float = Field(default=23.5, gt=0, lt=24)  #: exchange clock: it ends sockets of 24 h itself
    rest_price_seconds: float = Field(default=30.0, ge=1)  #: exchange clock: between two polls with `rest_only`


class _ByGate(Section):
    """A field for each gate, by the name of its setting, from the registry."""

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...


if TYPE_CHECKING:

    class Thresholds(_ByGate):
        """The gates' thresholds; every value can be overridden per symbol."""

        def __init__(self, **thresholds: Any) -> None: ...

    class SymbolThresholds(_ByGate):
        """Overrides for one symbol; None keeps the general value."""

        def __init__(self, **thresholds: Any) -> None: ...

else:
    Thresholds = create_model(
        "Thresholds",
        __base__=_ByGate,
        __doc__="What the gates ask; every value can be overridden per symbol.",
        **{gate.setting: (gate.kind, Field(gate.default, description=gate.sentence)) for gate in GATES.values()},
    )
    SymbolThresholds = create_model(
        "SymbolThresholds",
        __base__=_ByGate,
        __doc__="Overrides for one symbol; None keeps the general value.",
        **{gate.setting: (gate.kind | None, Field(None, description=gate.sentence)) for gate in GATES.values()},
    )


class AnalysisSettings(Section):
    """The analyzer's settings."""

    bars: Literal["so far", "closed"] = "so far"  #: judge the higher bars so far, or only closed ones
    volatile_atr_ratio: float = Field(default=1.5, gt=0)
    group_agreement: Share = 0.2
    timeframe_weights: dict[Literal["15m", "1h", "4h"], float] = {"15m": 0.25, "1h": 0.40, "4h": 0.35}
    fmqs_weights: dict[Literal["funding", "open_interest", "skew", "taker"], float] = {
        "funding": 0.25,
        "open_interest": 0.30,
        "skew": 0.20,
        "taker": 0.25,
    }
    funding_contradicts: float = 0.0005  #: 8-hour equivalent
    open_interest_falls: Share = 0.01
    costs: Share = 0.0014  #: round trip of a taker: twice 0.05 % fee and 0.02 % slippage
    weak_ratio: float = Field(default=1.5, gt=0)


class LifecycleSettings(Section):
    """Rules for the life of a signal."""

    invalidation_margin: Percentage = 15
    invalidation_scans: int = Field(default=3, ge=1)
    expiry_hours: float = Field(default=24, gt=0)
    cooldown_hours: float = Field(default=1, ge=0)
    group_size: int = Field(default=8, ge=2)


class OutcomeSettings(Section):
    """Costs and length of the outcomes that the evaluator follows."""

    fee: Share = 0.0005  #: of the traded value, each side: a taker's
    slippage: Share = 0.0002  #: of the traded value, each side
    hours: float = Field(default=24, gt=0, le=24)  #: how long a signal is followed


class AnomalySettings(Section):
    """The radar."""

    volume_z: float = 4.0
    correlation: Share = 0.3
    cooldown_hours: float = Field(default=4, ge=0)
    per_hour: int = Field(default=6, ge=0)


class ScanSettings(Section):
    """Processing limits, wall time."""

    deadline_seconds: float = Field(default=90, gt=0)
    stale_after_seconds: float = Field(
        default=600, gt=0
    )  #: a scan settled later than this after opening makes no alerts


class Route(Section):
    """Which alerts go to which destinations; an empty condition matches everything."""

    destinations: tuple[str, ...] = Field(min_length=1)
    kinds: tuple[Kind, ...] = ()
    symbols: tuple[Annotated[str, AfterValidator(pattern_of)], ...] = ()  #: names or shell patterns
    side: Side | None = None
    min_score: Percentage = 0
    min_strength: int = Field(default=0, ge=0, le=5)
    regimes: tuple[Literal["TRENDING", "RANGING", "VOLATILE"], ...] = ()
    weak: bool = True  #: False leaves WEAK out
    between: QuietHours | None = None  #: only within this time of day


class DeliverySettings(Section):
    """Deliveries, wall time."""

    expiry_seconds: float = Field(default=900, gt=0)  #: an older alert is stored, not sent
    longest_backoff_seconds: float = Field(default=3600, gt=0)
    timeout_seconds: float = Field(default=15, gt=0)
    repeat_unknown: bool = False


class PresentationSettings(Section):
    """Time zone, theme and daily summary."""

    timezone: str = "UTC"
    theme: Literal["dark", "light"] = "dark"
    daily_summary: TimeOrNever = ""

    @field_validator("timezone")
    @classmethod
    def _known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError(f"{name!r} is not a time zone such as Europe/Berlin") from error
        return name


class RecordingSettings(Section):
    """What the API keeps in Postgres."""

    whole_hours: int = Field(default=72, ge=1)  #: decisions with every figure; those of signals and near misses stay
    retention_days: int = Field(default=90, ge=1)  #: decisions, scans, alerts and deliveries; signals stay
    archive: bool = True  #: months of decisions that are past it become files, instead of going
    archive_days: int = Field(default=0, ge=0)  #: how long these files are kept, and their scans; 0: for ever


class BackupSettings(Section):
    """Backups that the API makes by itself, in the folder of SEVENGATE_BACKUP_DIR."""

    at: TimeOrNever = ""  #: local time, every day
    keep: int = Field(default=7, ge=1, le=366)  #: older ones are removed
    decisions: bool = False  #: every coin of every scan too: by far the most of the size


class RuntimeSettings(Section):
    """Everything that can be changed without a restart."""

    universe: UniverseSettings = UniverseSettings()
    feed: FeedSettings = FeedSettings()
    thresholds: Thresholds = Thresholds()
    symbol_thresholds: dict[Coin, SymbolThresholds] = {}
    analysis: AnalysisSettings = AnalysisSettings()
    lifecycle: LifecycleSettings = LifecycleSettings()
    outcomes: OutcomeSettings = OutcomeSettings()
    anomaly: AnomalySettings = AnomalySettings()
    scanning: ScanSettings = ScanSettings()
    destinations: dict[DestinationName, Destination] = {}
    routes: tuple[Route, ...] = ()
    quiet_hours: QuietHours | None = None
    delivery: DeliverySettings = DeliverySettings()
    presentation: PresentationSettings = PresentationSettings()
    recording: RecordingSettings = RecordingSettings()
    backup: BackupSettings = BackupSettings()
    heartbeat_url: SecretStr = SecretStr("")
    heartbeat_seconds: float = Field(default=60, ge=10)
    heartbeat_allow: tuple[Network, ...] = ()  #: networks of the LAN that `heartbeat_url` may lead to

    @model_validator(mode="after")
    def _routes_lead_somewhere(self) -> RuntimeSettings:
        wrong = [
            _nowhere(("routes", number, "destinations", place), name)
            for number, route in enumerate(self.routes)
            for place, name in enumerate(route.destinations)
            if name not in self.destinations
        ]
        if wrong:
            raise ValidationError.from_exception_data("routes", wrong)
        return self

    @model_validator(mode="after")
    def _heart_may_be_heard(self) -> RuntimeSettings:
        if url := self.heartbeat_url.get_secret_value():
            may_be_called(url, self.heartbeat_allow, name="heartbeat_url")
        return self

    def thresholds_for(self, symbol: str) -> Thresholds:
        """Return the thresholds of *symbol*, its overrides applied."""
        overrides = self.symbol_thresholds.get(symbol)
        if overrides is None:
            return self.thresholds
        return self.thresholds.model_copy(update=overrides.model_dump(exclude_none=True))

    def dump(self) -> dict[str, Any]:
        """Return the JSON-able value with its secrets in clear, for `settings` only."""
        return _reveal(self.model_dump(mode="python"))  # type: ignore[no-any-return]


def _nowhere(place: tuple[str | int, ...], name: str) -> InitErrorDetails:
    """Return the mistake of naming a destination that does not exist, found by its place in the settings."""
    error = PydanticCustomError("nowhere", "there is no destination '{name}'", {"name": name})
    return InitErrorDetails(type=error, loc=place, input=name)


def _reveal(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, dict):
        return {key: _reveal(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_reveal(item) for item in value]
    return value


def explain(error: ValidationError) -> list[str]:
    """Return one line for each mistake: where it is and what is wrong."""
    return [f"{'.'.join(str(part) for part in item['loc'])}: {sentence(item)}" for item in error.errors()]
