"""The only reader of the environment, and the runtime settings with their validation.

`Environment` is fixed while a process lives.  `RuntimeSettings` is one whole, versioned value that
the API publishes on `settings`; config.yaml has its shape, and every ◇ default stands here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.destinations import Destination, Network, may_be_called
from shared.sections import Kind, QuietHours, Section, Side, TimeOrNever

MARKET = "binance-um"
Percentage = Annotated[float, Field(ge=0, le=100)]
Share = Annotated[float, Field(ge=0, le=1)]


def _address(*schemes: str) -> AfterValidator:
    """Return what refuses an address of any other scheme."""

    def checked(address: str) -> str:
        if not address.startswith(tuple(f"{scheme}://" for scheme in schemes)):
            raise ValueError(f"an address begins with {' or '.join(f'{scheme}://' for scheme in schemes)}")
        return address

    return AfterValidator(checked)


Web = Annotated[str, _address("http", "https")]


class Environment(BaseSettings):
    """What the process is told from outside; secrets may come as ``NAME_FILE``."""

    model_config = SettingsConfigDict(
        env_prefix="SEVENGATE_", extra="ignore", env_ignore_empty=True, hide_input_in_errors=True
    )

    binance_rest_url: Web = "https://fapi.binance.com"
    binance_ws_url: Annotated[str, _address("ws", "wss")] = "wss://fstream.binance.com"
    fear_greed_url: Web = "https://api.alternative.me/fng/"
    telegram_api_url: Web = "https://api.telegram.org"
    telegram_token: SecretStr = SecretStr("")
    redis_url: Annotated[str, _address("redis", "rediss", "unix")] = "redis://127.0.0.1:6379/0"
    database_url: SecretStr = SecretStr("postgresql://127.0.0.1:5432/sevengate")
    api_key: SecretStr = SecretStr("")
    api_url: str = ""  #: where the bot and the command line find the API; empty: this machine's port
    api_host: str = "127.0.0.1"
    api_port: int = Field(default=8710, ge=1, le=65_535)
    api_hosts: str = ""  #: names, by comma, under which the API may be reached without a key
    metrics_host: str = "127.0.0.1"
    metrics_port: int = Field(default=0, ge=0, le=65_535)  #: 0: any free port
    data_dir: Path = Path(".sevengate")
    config: Path = Path("config.yaml")
    market: str = MARKET
    clock_speed: float = Field(default=1.0, ge=0)  #: of the exchange's clock; 0: it advances with its events only
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "console"] = "json"
    instance: str = ""  #: distinguishes processes of one service; empty: host and process id

    def __init__(self, **values: Any) -> None:
        """Read it; a process that was told nonsense ends here, with a line for each mistake."""
        try:
            super().__init__(**values)
        except ValidationError as error:
            named = [(f"SEVENGATE_{item['loc'][0]}: ".upper() if item["loc"] else "", item) for item in error.errors()]
            raise SystemExit("\n".join(f"sevengate: {name}{told(item['msg'])}" for name, item in named)) from None

    @model_validator(mode="before")
    @classmethod
    def _from_files(cls, values: Any) -> Any:
        """Read ``SEVENGATE_X_FILE`` where ``SEVENGATE_X`` is not set."""
        import os

        if isinstance(values, dict):
            for name in cls.model_fields:
                path = os.environ.get(f"SEVENGATE_{name.upper()}_FILE")
                if path and name not in values:
                    values[name] = _content(f"SEVENGATE_{name.upper()}_FILE", path)
        return values

    @property
    def api_address(self) -> str:
        """Where the API is found from here."""
        return (self.api_url or f"http://127.0.0.1:{self.api_port}").rstrip("/")


class Universe(Section):
    """Which coins are watched."""

    size: int = Field(default=150, ge=1, le=600)
    min_quote_volume: float = Field(default=10_000_000, ge=0)  #: USDT in 24 h
    min_age_days: int = Field(default=0, ge=0)  #: since the listing; too short a history is refused anyway
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    hysteresis: Share = 0.1  #: a held coin leaves only below rank size × (1 + this)


class Feed(Section):
    """How the market is read."""

    rest_only: bool = False
    grace_seconds: float = Field(default=3.0, gt=0, le=60)  #: wall time to wait for late bars after a close
    budget_share: float = Field(default=0.8, gt=0, le=1)  #: of the exchange's weight limit
    stale_seconds: float = Field(default=60.0, gt=0)  #: exchange clock: a stream without data is told and replaced
    socket_hours: float = Field(default=23.5, gt=0, lt=24)  #: exchange clock: it ends sockets of 24 h itself
    rest_price_seconds: float = Field(default=30.0, ge=1)  #: exchange clock: between two polls with `rest_only`


class Thresholds(Section):
    """What the gates ask; every value can be overridden per symbol."""

    score: Percentage = 65
    fmqs: Percentage = 50
    squeeze_intervals: tuple[Literal["15m", "1h", "4h"], ...] = ("15m", "1h")
    volume_ratio: float = Field(default=1.2, ge=0)
    groups: int = Field(default=5, ge=0, le=6)
    timeframes: int = Field(default=2, ge=0, le=3)
    persistence: int = Field(default=1, ge=0, le=12)  #: earlier scans in a row


class SymbolThresholds(Section):
    """Overrides for one symbol; None keeps the general value."""

    score: Percentage | None = None
    fmqs: Percentage | None = None
    squeeze_intervals: tuple[Literal["15m", "1h", "4h"], ...] | None = None
    volume_ratio: float | None = Field(default=None, ge=0)
    groups: int | None = Field(default=None, ge=0, le=6)
    timeframes: int | None = Field(default=None, ge=0, le=3)
    persistence: int | None = Field(default=None, ge=0, le=12)


class AnalysisSettings(Section):
    """What the analyzer weighs with."""

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
    costs: Share = 0.001  #: round trip, fees and funding
    weak_ratio: float = Field(default=1.5, gt=0)


class Lifecycle(Section):
    """What becomes of a signal."""

    invalidation_margin: Percentage = 15
    invalidation_scans: int = Field(default=3, ge=1)
    expiry_hours: float = Field(default=24, gt=0)
    cooldown_hours: float = Field(default=1, ge=0)
    group_size: int = Field(default=8, ge=2)


class AnomalySettings(Section):
    """The radar."""

    volume_z: float = 4.0
    correlation: Share = 0.3
    cooldown_hours: float = Field(default=4, ge=0)
    per_hour: int = Field(default=6, ge=0)


class Scanning(Section):
    """Processing limits, wall time."""

    deadline_seconds: float = Field(default=90, gt=0)
    stale_after_seconds: float = Field(default=600, gt=0)  #: a scan settled later than this after opening alerts nobody


class Route(Section):
    """Which alerts go to which destinations; an empty condition matches everything."""

    destinations: tuple[str, ...] = Field(min_length=1)
    kinds: tuple[Kind, ...] = ()
    symbols: tuple[str, ...] = ()  #: names or shell patterns
    side: Side | None = None
    min_score: Percentage = 0
    min_strength: int = Field(default=0, ge=0, le=5)
    regimes: tuple[Literal["TRENDING", "RANGING", "VOLATILE"], ...] = ()
    weak: bool = True  #: False leaves WEAK out
    between: QuietHours | None = None  #: only within this time of day


class Delivering(Section):
    """Deliveries, wall time."""

    expiry_seconds: float = Field(default=900, gt=0)  #: an older alert is stored, not sent
    longest_backoff_seconds: float = Field(default=3600, gt=0)
    timeout_seconds: float = Field(default=15, gt=0)
    repeat_unknown: bool = False


class Presentation(Section):
    """How people see it."""

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


class Recording(Section):
    """What the API keeps in Postgres."""

    retention_days: int = Field(default=90, ge=1)  #: decisions, scans, alerts and deliveries; signals stay


class RuntimeSettings(Section):
    """Everything that can be changed without a restart."""

    universe: Universe = Universe()
    feed: Feed = Feed()
    thresholds: Thresholds = Thresholds()
    symbol_thresholds: dict[str, SymbolThresholds] = {}
    analysis: AnalysisSettings = AnalysisSettings()
    lifecycle: Lifecycle = Lifecycle()
    anomaly: AnomalySettings = AnomalySettings()
    scanning: Scanning = Scanning()
    destinations: dict[str, Destination] = {}
    routes: tuple[Route, ...] = ()
    quiet_hours: QuietHours | None = None
    delivery: Delivering = Delivering()
    presentation: Presentation = Presentation()
    recording: Recording = Recording()
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


def _content(name: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{name}: {path} cannot be read ({error})") from error


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
    return [f"{'.'.join(str(part) for part in item['loc'])}: {told(item['msg'])}" for item in error.errors()]


def told(message: str) -> str:
    """Return pydantic's message without the word for its kind; what it calls a tuple is a list to people."""
    return message.removeprefix("Value error, ").replace("Tuple", "List").replace("valid tuple", "list")
