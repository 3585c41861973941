"""Secrets on the bus are sealed, each for its own place."""

from __future__ import annotations

import pytest

from shared.config.sealing import MARK, SealError, is_sealed, new_key, seal, sealed, settings_from, unseal
from shared.settings import RuntimeSettings

KEY = new_key()
SETTINGS = RuntimeSettings.model_validate(
    {
        "destinations": {
            "club": {"channel": "discord", "url": "https://discord.com/api/webhooks/1/hush"},
            "house": {
                "channel": "webhook",
                "url": "https://x.example/hush",
                "secret": "whsec_hush",
                "headers": {"Authorization": "hush"},
            },
            "mail": {"channel": "email", "host": "m.example", "password": "hush", "sender": "a@b.c", "to": ["a@b.c"]},
        },
        "routes": [{"destinations": ["club"]}],
        "heartbeat_url": "https://x.example/hush",
    }
)


def test_what_travels_says_no_secret_and_comes_back_whole() -> None:
    """Addresses, passwords and headers of every kind of destination."""
    value = sealed(SETTINGS, KEY)
    assert "hush" not in str(value)
    assert value["destinations"]["club"]["url"].startswith(MARK)
    assert settings_from(value, KEY) == SETTINGS


def test_who_has_no_key_gets_the_settings_without_what_needs_it() -> None:
    """Thresholds are for everybody; destinations, their routes and the heartbeat are not."""
    found = settings_from(sealed(SETTINGS, KEY), "")
    assert (found.destinations, found.routes, found.heartbeat_url.get_secret_value()) == ({}, (), "")
    assert found.thresholds == SETTINGS.thresholds


@pytest.mark.parametrize("path", [("a", "url"), ("b", "secret"), ("url",)])
def test_a_sealed_secret_opens_at_its_own_place_only(path: tuple[str, ...]) -> None:
    """Moved to where it would be sent elsewhere, it is worth nothing."""
    text = seal("hush", KEY, ("b", "url"))
    assert unseal(text, KEY, ("b", "url")) == "hush"
    with pytest.raises(SealError):
        unseal(text, KEY, path)


OTHERWISE = {
    "nothing": MARK,
    "short": MARK + "AAAA",
    "noise": MARK + "no base64!",
    "other key": seal("hush", new_key(), ("url",)),
}


@pytest.mark.parametrize("text", OTHERWISE.values(), ids=OTHERWISE.keys())
def test_what_was_sealed_otherwise_is_refused(text: str) -> None:
    """Another key, or nothing that was sealed at all."""
    with pytest.raises(SealError):
        unseal(text, KEY, ("url",))


def test_settings_without_secrets_need_no_key() -> None:
    """Nothing is sealed where nothing is secret."""
    value = sealed(RuntimeSettings(), KEY)
    assert not is_sealed(value)
    assert settings_from(value, "") == RuntimeSettings()
