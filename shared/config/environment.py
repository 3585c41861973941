"""The only reader of a process's environment variables, which are fixed while it lives."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.config import local_secrets
from shared.config.mistakes import sentence
from shared.network.redis_address import RedisAddress

MARKET = "binance-um"


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


def _by_comma(names: str) -> list[str]:
    return [name for name in names.replace(" ", "").split(",") if name]


def _content(name: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{name}: {path} cannot be read ({error})") from error
