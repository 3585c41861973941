"""The scan for credentials finds what looks like one, and passes over examples."""

from __future__ import annotations

import pytest

from scripts.secret_scan import found_in

LETTERS = "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7cF0xLrUo-_"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (f"token: 1234567890:AA{LETTERS[:33]}\n", "Telegram bot token"),
        (f"https://discord.com/api/webhooks/123456789012345678/{LETTERS}{LETTERS}", "Discord webhook"),
        (f"sg_{LETTERS}{LETTERS[:6]} ", "key of this API"),
        (f"postgresql://postgres:{LETTERS}@db/x", "password in an address"),
        ("ghp_" + (LETTERS[:34] + "ab") + "\n", "GitHub token"),
    ],
)
def test_what_looks_like_a_credential_is_found(text: str, kind: str) -> None:
    """With its line, so that it can be removed."""
    assert found_in(b"first\n" + text.encode()) == [(2, kind)]


@pytest.mark.parametrize(
    "text",
    [
        "token: 123456789:AAxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "https://discord.com/api/webhooks/…",
        "postgresql://user:password@127.0.0.1:5432/sevengate",
        f"a digest {'0123456789abcdef' * 4}",
    ],
)
def test_an_example_is_none(text: str) -> None:
    """Documentation and tests have to show what one looks like."""
    assert found_in(text.encode()) == []
