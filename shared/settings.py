"""The only reader of the environment, and the runtime settings with their validation.

`Environment` is fixed while a process lives.  `RuntimeSettings` is one whole, versioned value that
the API publishes on `settings`; config.yaml has its shape, and every ◇ default stands here.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    create_model,
    field_validator,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.config import local_secrets
from shared.config.mistakes import sentence
from shared.config.sections import Kind, Percentage, QuietHours, Section, Side, TimeOrNever
from shared.destinations import Destination
from shared.gates import GATES
from shared.network.redis_address import RedisAddress
from shared.sending.destination import DestinationName, Network, may_be_called
from shared.symbols import pair_of, pattern_of

MARKET = "binance-um"
Share = Annotated[float, Field(ge=0, le=1)]
Coin = Annotated[str, AfterValidator(pair_of)]  #: a coin's name: link is LINKUSDT


def _address(*schemes: str) -> AfterValidator:
    """Return what refuses an address of any other scheme."""

    def checked(address: str) -> str:
        if not address.startswith(tuple(f"{scheme}://" for scheme in schemes)):
            raise ValueError(f"an address begins with {' or '.join(f'{scheme}://' for scheme in schemes)}")
        return address

    return AfterValidator(checked)


def _redis(address: str) -> str:
    """Return the address, of a server, of sentinels or of a cluster."""
    RedisAddress.of(address)
    return address


Web = Annotated[str, _address("http", "https")]
Redis = Annotated[str, AfterValidator(_redis)]
RedisOrEmpty = Annotated[str, AfterValidator(lambda address: address and _redis(address))]


def _postgresql(address: SecretStr) -> SecretStr:
    """Return the address under the one name of the scheme that every library here knows."""
    scheme, colon, rest = address.get_secret_value().partition("://")
    if scheme not in ("postgres", "postgresql"):
        raise ValueError("an address begins with postgresql://")
    return SecretStr(f"postgresql{colon}{rest}")


def reachable(host: str, port: int) -> str:
    """Return the address under which this machine reaches what listens on *host* and *port*."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 it is called, not bound
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class Environment(BaseSettings):
    """The process's environment variables; each may instead come as ``NAME_FILE``."""

    model_config = SettingsConfigDict(
        env_prefix="SEVENGATE_", extra="ignore", env_ignore_empty=True, hide_input_in_errors=True
    )

    binance_rest_url: Web = "https://fapi.binance.com"
    binance_ws_url: Annotated[str, _address("ws", "wss")] = "wss://fstream.binance.com"
    binance_archive_url: Web = "https://data.binance.vision"
    fear_greed_url: Web = "https://api.alternative.me/fng/"
    telegram_api_url: Web = "https://api.telegram.org"
    telegram_token: SecretStr = SecretStr("")
    redis_url: Redis = "redis://127.0.0.1:6379/0"
    #: of rq's jobs; empty: they are on the bus's Redis
    jobs_redis_url: RedisOrEmpty = Field(default="", validate_default=True)
    database_url: Annotated[SecretStr, AfterValidator(_postgresql)] = SecretStr("postgresql://127.0.0.1:5432/sevengate")
    api_key: SecretStr = SecretStr("")
    settings_key: SecretStr = SecretStr("")  #: seals secrets on the bus; empty: that of the data folder
    api_url: str = ""  #: where the bot and the command line find the API; empty: this machine's port
    api_host: str = "127.0.0.1"
    api_port: int = Field(default=8710, ge=1, le=65_535)
    api_hosts: str = ""  #: names, by comma, under which the page may be opened without a key
    api_root_path: str = ""  #: the prefix that a proxy puts before every address, such as /sevengate
    metrics_host: str = "127.0.0.1"
    metrics_port: int = Field(default=0, ge=0, le=65_535)  #: 0: any free port
    data_dir: Path = Path(".sevengate")
    config: Path = Path("config.yaml")
    backup_dir: Path | None = None  #: of the nightly backups; None: `backups` in the data folder
    archive_dir: Path | None = None  #: of the months of decisions as files; None: `archive` in the data folder
    market: str = MARKET
    api_markets: str = ""  #: markets, by comma, that the API serves besides `market`
    api_redis_urls: str = ""  #: MARKET=ADDRESS, by spaces, of those whose bus is not at `redis_url`
    clock_speed: float = Field(default=1.0, ge=0)  #: of the exchange's clock; 0: it advances with its events only
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "console"] = "json"
    judge_last_close: bool = False  #: the fetcher begins with the newest close, however old: `scan --once` asks for it
    instance: str = ""  #: distinguishes processes of one service; empty: host and process id

    def __init__(self, **values: Any) -> None:
        """Read the variables; invalid ones end the process, with a line for each mistake."""
        try:
            super().__init__(**values)
        except ValidationError as error:
            named = [(f"SEVENGATE_{item['loc'][0]}: ".upper() if item["loc"] else "", item) for item in error.errors()]
            raise SystemExit("\n".join(f"sevengate: {name}{sentence(item)}" for name, item in named)) from None

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

    @field_validator("jobs_redis_url")
    @classmethod
    def _not_in_a_cluster(cls, address: str, others: ValidationInfo) -> str:
        """Return the address; rq's keys are in many slots, so that a cluster cannot have them."""
        url = address or others.data.get("redis_url", "")
        if url and RedisAddress.of(url).nodes:
            raise ValueError("the queues' jobs cannot be in a cluster: name a Redis for them (docs/growing.md)")
        return address

    @field_validator("api_redis_urls")
    @classmethod
    def _of_served_markets(cls, named: str, others: ValidationInfo) -> str:
        """Return *named*; refuse what is no such pair, or of a market that the API does not serve besides its own."""
        served = set(_by_comma(others.data.get("api_markets", ""))) - {others.data.get("market")}
        for pair in named.split():
            market, equals, address = pair.partition("=")
            if not equals or market not in served:
                raise ValueError("name markets of SEVENGATE_API_MARKETS, as MARKET=ADDRESS, separated by spaces")
            if RedisAddress.of(address).nodes and not others.data.get("jobs_redis_url"):
                raise ValueError("a bus in a cluster needs SEVENGATE_JOBS_REDIS_URL (docs/growing.md)")
        return named

    def of_market(self, market: str) -> Environment:
        """Return the environment of another *market* that the API serves: it may have a bus of its own."""
        addresses = dict(pair.split("=", 1) for pair in self.api_redis_urls.split())
        bus = {"redis_url": addresses[market]} if market in addresses else {}
        return self.model_copy(update={"market": market, **bus})

    @property
    def api_credential(self) -> str:
        """The key, or this machine's own token where the API runs on it; empty: neither is known."""
        return self.api_key.get_secret_value() or local_secrets.read(self.data_dir, local_secrets.TOKEN)

    @property
    def served_markets(self) -> tuple[str, ...]:
        """The markets that the API serves, each once: this environment's own is the first."""
        return tuple(dict.fromkeys((self.market, *_by_comma(self.api_markets))))

    @property
    def source(self) -> Literal["real", "simulated"]:
        """Whether the market is real: a simulated one runs on this network, or at another speed."""
        host = urlsplit(self.binance_rest_url).hostname or ""
        is_near = "." not in host or host.startswith("127.")
        return "simulated" if is_near or self.clock_speed != 1.0 else "real"

    @property
    def jobs_url(self) -> str:
        """The Redis that has rq's jobs."""
        return self.jobs_redis_url or self.redis_url

    @property
    def sealing_key(self) -> str:
        """What seals the secrets among the settings on the bus; empty: this process is not to know them."""
        return self.settings_key.get_secret_value() or local_secrets.read(self.data_dir, local_secrets.SETTINGS_KEY)

    @property
    def backups(self) -> Path:
        """The folder of the nightly backups, and of those before an upgrade."""
        return self.backup_dir or self.data_dir / "backups"

    @property
    def archive(self) -> Path:
        """The folder of the archive: closed months of decisions."""
        return self.archive_dir or self.data_dir / "archive"

    @property
    def api_address(self) -> str:
        """Where the API is found from here."""
        return (self.api_url or reachable(self.api_host, self.api_port)).rstrip("/")


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


def _by_comma(names: str) -> list[str]:
    return [name for name in names.replace(" ", "").split(",") if name]


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
    return [f"{'.'.join(str(part) for part in item['loc'])}: {sentence(item)}" for item in error.errors()]
