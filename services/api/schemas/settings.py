"""User settings: settings, price alerts, mutes and keys."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field, model_validator

from services.api.schemas.base import LATEST, TEXT, Shown
from shared.contracts import AlertKind, PriceCondition, Side

SYMBOL = r"^[^\x00-\x20\x7f]{1,40}$"


class Config(Shown):
    """The settings in force; secrets that are set show as ********."""

    version: int
    at: int
    """wall clock, UNIX ms"""
    value: dict[str, Any]
    notes: list[str]
    """remarks on accepted values, such as a coin that is not watched"""


class ConfigCheck(Shown):
    """What a change would do, without saving it."""

    valid: bool
    mistakes: list[str]
    """one line each: where, and what is wrong"""
    notes: list[str]
    changes: list[ChangedSetting]


class ChangedSetting(Shown):
    """One setting before and after."""

    path: str
    """such as thresholds.score"""
    before: Any
    after: Any


class Override(Shown):
    """A setting that differs from config.yaml."""

    path: str
    file: Any
    """as config.yaml says; the default where it says nothing"""
    value: Any
    """the value in force"""


class Overrides(Shown):
    """All settings that were changed on top of config.yaml."""

    items: list[Override]


class ConfigChange(Shown):
    """One change that was made, secrets masked."""

    change_id: int
    at: int
    """wall clock, UNIX ms"""
    by: str
    """the key's name, or "session" """
    patch: dict[str, Any]
    undone: bool


class ConfigHistory(Shown):
    """A page of changes, newest first."""

    items: list[ConfigChange]
    next_cursor: str | None


class SettingShown(Shown):
    """What one setting is for."""

    path: str
    sentence: str
    default: Any
    unit: str
    """such as "%", "seconds", "USDT"; empty: none"""
    kind: str
    """"number", "integer", "boolean", "text", "choice", "list", "map" """
    choices: list[str]
    minimum: float | None
    maximum: float | None
    secret: bool
    """goes in and never comes out"""
    file_only: bool
    """only config.yaml or the command line may set it"""


class Settings(Shown):
    """Every setting, in the order of config.yaml's reference."""

    items: list[SettingShown]


class NewPriceAlert(Shown):
    """A new price alert."""

    symbol: str = Field(pattern=SYMBOL, examples=["BTCUSDT"])
    condition: PriceCondition
    value: float = Field(gt=0, lt=1e12, allow_inf_nan=False, description="a price; for 'moves' a fraction, 0.05 is 5 %")
    window_seconds: int = Field(default=0, ge=0, le=7 * 86_400, description="for 'moves'")
    repeat: bool = False
    cooldown_seconds: int = Field(default=3_600, ge=0, le=365 * 86_400)
    note: str = Field(default="", max_length=200, pattern=TEXT)

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"symbol": "BTC", "condition": "above", "value": 100_000}]}
    )

    @model_validator(mode="after")
    def _moves_within(self) -> NewPriceAlert:
        if self.condition == "moves" and self.window_seconds < 60:
            raise ValueError("'moves' needs window_seconds of at least 60")
        if self.condition == "moves" and self.value > 10:
            raise ValueError("'moves' takes a fraction: 0.05 is 5 %")
        return self


class PriceAlertShown(Shown):
    """A price alert, and whether it can still fire."""

    price_alert_id: str
    symbol: str
    condition: PriceCondition
    value: float
    window_seconds: int
    repeat: bool
    cooldown_seconds: int
    note: str
    created_at: int
    """the exchange's clock, UNIX ms: only prices after it count"""
    fired_at: int | None
    stands: bool


class PriceAlerts(Shown):
    """All price alerts, including those that have fired for good."""

    items: list[PriceAlertShown]


class NewMute(Shown):
    """What to mute; a field that is left out matches everything."""

    until: int | None = Field(default=None, ge=0, le=LATEST, description="wall clock, UNIX ms")
    seconds: int | None = Field(default=None, ge=1, le=10 * 365 * 86_400, description="from now, instead of until")
    symbol: str = Field(default="", max_length=40, pattern=TEXT)
    side: Side | None = None
    kind: AlertKind | None = None
    destination: str = Field(default="", max_length=200, pattern=TEXT)

    model_config = ConfigDict(json_schema_extra={"examples": [{"symbol": "DOGE", "seconds": 7_200}]})


class MuteShown(Shown):
    """A mute that has not ended."""

    mute_id: str
    until: int
    """wall clock, UNIX ms"""
    symbol: str
    side: Side | None
    kind: AlertKind | None
    destination: str


class Mutes(Shown):
    """All mutes that have not ended."""

    items: list[MuteShown]


class NewKey(Shown):
    """A key to make."""

    name: str = Field(min_length=1, max_length=60, pattern=r"^[^\x00-\x1f\x7f]+$", examples=["grafana"])
    rights: Literal["read", "write"] = "read"


class KeyShown(Shown):
    """A key, without its secret."""

    key_id: str
    name: str
    rights: Literal["read", "write"]
    made_at: int
    """wall clock, UNIX ms"""
    used_at: int | None
    """when it was last used, to the minute; null: never"""


class KeyMade(KeyShown):
    """A new key; its secret is shown this once."""

    key: str


class Keys(Shown):
    """All keys."""

    items: list[KeyShown]


class NewSession(Shown):
    """The set-up token of the first start."""

    token: str = Field(min_length=1, max_length=200)


class SessionShown(Shown):
    """The caller and its rights."""

    name: str
    rights: Literal["read", "write"]
