"""Settings: mistakes are reported by their place, secrets stay secret, files feed the environment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from shared.config.environment import Environment
from shared.settings import RuntimeSettings, explain

WEBHOOK = {"channel": "webhook", "url": "https://example.org/hush-url", "secret": "whsec_hush"}


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ({"thresholds": {"score": 101}}, "thresholds.score"),
        ({"thresholds": {"scroe": 60}}, "thresholds.scroe"),
        ({"thresholds": {"fmqs": float("nan")}}, "thresholds.fmqs"),
        ({"universe": {"size": 0}}, "universe.size"),
        ({"quiet_hours": {"start": "24:00", "end": "06:00"}}, "quiet_hours.start"),
        ({"destinations": {"x": {"channel": "pigeon"}}}, "destinations.x"),
    ],
)
def test_a_mistake_is_told_by_its_place(value: dict[str, Any], place: str) -> None:
    """One line for a mistake, which begins with where it is."""
    with pytest.raises(ValidationError) as caught:
        RuntimeSettings.model_validate(value)
    [line] = explain(caught.value)
    assert line.startswith(f"{place}: ")


def test_a_route_must_lead_somewhere() -> None:
    """A route to a destination that does not exist is refused by name."""
    with pytest.raises(ValidationError) as caught:
        RuntimeSettings.model_validate({"routes": [{"destinations": ["phone"]}]})
    assert explain(caught.value) == ["routes.0.destinations.0: there is no destination 'phone'"]


def test_secrets_are_shown_to_the_bus_only() -> None:
    """Neither repr nor JSON nor a validation error shows a secret; `dump` does, and is valid again."""
    settings = RuntimeSettings.model_validate({"destinations": {"house": WEBHOOK}})
    assert "hush" not in repr(settings) + settings.model_dump_json()
    assert settings.dump()["destinations"]["house"]["secret"] == "whsec_hush"
    assert RuntimeSettings.model_validate(settings.dump()) == settings
    with pytest.raises(ValidationError) as caught:
        RuntimeSettings.model_validate({"destinations": {"house": WEBHOOK | {"secret": ["whsec_hush"]}}})
    assert "hush" not in str(caught.value) + "".join(explain(caught.value))


def test_a_secret_comes_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """NAME_FILE is read where NAME is unset or empty, and NAME wins."""
    (tmp_path / "key").write_text("hush\n")
    monkeypatch.setenv("SEVENGATE_API_KEY_FILE", str(tmp_path / "key"))
    monkeypatch.setenv("SEVENGATE_API_KEY", "")
    assert Environment().api_key.get_secret_value() == "hush"
    assert "hush" not in repr(Environment())
    monkeypatch.setenv("SEVENGATE_API_KEY", "plain")
    assert Environment().api_key.get_secret_value() == "plain"


def test_a_symbol_overrides_only_what_it_names() -> None:
    """A symbol's thresholds are the general ones but for its own."""
    settings = RuntimeSettings.model_validate({"symbol_thresholds": {"BTCUSDT": {"score": 80}}})
    assert settings.thresholds_for("BTCUSDT").score == 80
    assert settings.thresholds_for("BTCUSDT").fmqs == settings.thresholds.fmqs
    assert settings.thresholds_for("ETHUSDT") == settings.thresholds


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SEVENGATE_API_PORT", "many"),
        ("SEVENGATE_API_PORT", "70000"),
        ("SEVENGATE_LOG_LEVEL", "loud"),
        ("SEVENGATE_REDIS_URL", "localhost:6379"),
        ("SEVENGATE_JOBS_REDIS_URL", "redis+sentinel://one:26379"),
        ("SEVENGATE_JOBS_REDIS_URL", "redis+cluster://one:7001"),
        ("SEVENGATE_BINANCE_WS_URL", "https://fstream.binance.com"),
        ("SEVENGATE_TELEGRAM_TOKEN_FILE", "/nowhere/hush-token"),
    ],
)
def test_a_mistake_in_the_environment_ends_the_process_by_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """One line says which variable it is; no traceback of a library."""
    monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as ended:
        Environment()
    assert str(ended.value).startswith(f"sevengate: {name}: ")
    assert "\n" not in str(ended.value)


def test_a_bus_in_a_cluster_needs_another_redis_for_the_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    """rq's keys are in many slots; every process says so before it starts."""
    monkeypatch.setenv("SEVENGATE_REDIS_URL", "redis+cluster://one:7001,two:7002")
    with pytest.raises(SystemExit, match=r"^sevengate: SEVENGATE_JOBS_REDIS_URL: .*cannot be in a cluster"):
        Environment()
    monkeypatch.setenv("SEVENGATE_JOBS_REDIS_URL", "redis://jobs:6379/0")
    assert Environment().jobs_url == "redis://jobs:6379/0"


@pytest.mark.parametrize(
    "value",
    [
        "okx-swap",
        "okx-swap=two:6379",
        "binance-um=redis://two:6379",
        "bybit=redis://two:6379",
        "okx-swap=redis+cluster://two",
    ],
)
def test_the_addresses_of_other_markets_are_checked(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """Each is a market that is served besides the first, and an address; a cluster wants one for the jobs."""
    monkeypatch.setenv("SEVENGATE_API_MARKETS", "okx-swap,binance-um")
    monkeypatch.setenv("SEVENGATE_API_REDIS_URLS", value)
    with pytest.raises(SystemExit, match=r"^sevengate: SEVENGATE_API_REDIS_URLS: "):
        Environment()


def test_a_market_may_have_a_redis_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others are on the first one's."""
    monkeypatch.setenv("SEVENGATE_REDIS_URL", "redis://one:6379/0")
    monkeypatch.setenv("SEVENGATE_API_MARKETS", "okx-swap, bybit,mexc")
    monkeypatch.setenv(
        "SEVENGATE_API_REDIS_URLS", "okx-swap=redis://two:6379/0?a=b  bybit=redis+sentinel://one,two/bus"
    )
    environment = Environment()
    assert [environment.of_market(market).redis_url for market in environment.served_markets] == [
        "redis://one:6379/0",
        "redis://two:6379/0?a=b",
        "redis+sentinel://one,two/bus",
        "redis://one:6379/0",
    ]
    assert environment.of_market("bybit").market == "bybit"
