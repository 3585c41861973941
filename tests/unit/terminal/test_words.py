"""Prices, overrides, variables and secrets as the command line reads and prints them."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.terminal.commands import settings_paths
from services.terminal.local import dotenv
from services.terminal.output import messages, overrides
from services.terminal.output.prices import price
from shared.contracts import SettingsChanged


@pytest.mark.parametrize(
    ("value", "tick", "text"),
    [
        (2.1413e-06, 0.0, "0.0000021413"),
        (2.1413e-06, 1e-10, "0.0000021413"),
        (2.14e-06, 1e-09, "0.000002140"),
        (70_000.0, 0.1, "70000.0"),
        (21.336, 0.0, "21.336"),
        (123_456_789.0, 0.0, "123456789"),
        (1.234567891e-06, 0.0, "0.0000012345679"),
        (5.0, 5.0, "5"),
    ],
)
def test_a_price_has_no_exponent(value: float, tick: float, text: str) -> None:
    """The places are the tick's; without one those of the number, eight digits at most, all before the point."""
    assert price(value, tick) == text


def test_an_override_shows_both_values() -> None:
    """What counts, and what config.yaml says."""
    item = {"path": "thresholds.score", "value": 72, "file": 65}
    assert overrides.line(item) == "thresholds.score is 72 (config.yaml: 65)"


def test_paths_are_put_into_one_change() -> None:
    """Several settings can be reset at once."""
    change: dict[str, object] = {}
    settings_paths.put(change, "thresholds.score", None)
    settings_paths.put(change, "thresholds.fmqs", None)
    assert change == {"thresholds": {"score": None, "fmqs": None}}


def test_the_environment_wins_over_its_file(tmp_path: Path) -> None:
    """`.env` adds what is not set, as Compose does, and only what is Sevengate's or a proxy's."""
    path = tmp_path / ".env"
    path.write_text("SEVENGATE_API_KEY='a b'\nSEVENGATE_API_PORT=1\nPATH=/nowhere\nHTTPS_PROXY=http://proxy:3128\n")
    variables = {"SEVENGATE_API_PORT": "8710", "PATH": "/bin"}
    dotenv.read(path, variables)
    assert variables == {
        "SEVENGATE_API_PORT": "8710",
        "PATH": "/bin",
        "SEVENGATE_API_KEY": "a b",
        "HTTPS_PROXY": "http://proxy:3128",
    }


def test_peek_hides_secrets() -> None:
    """Settings on the bus are shown without addresses, passwords and what is sealed."""
    value = {
        "destinations": {
            "room": {"channel": "discord", "url": "https://discord.com/api/webhooks/geheim"},
            "mail": {"channel": "email", "password": "geheim", "host": "smtp.example.org"},
            "hook": {"channel": "webhook", "headers": {"Authorization": "geheim"}, "secret": "sealed:1:geheim"},
        },
        "heartbeat_url": "https://hc.example/geheim",
    }
    shown = messages.as_json("1-0", SettingsChanged(version=1, value=value, at=0))
    assert "geheim" not in shown
    assert "smtp.example.org" in shown
