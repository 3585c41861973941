"""Every channel says what it is, and docs/alerts.md is made of that."""

from __future__ import annotations

from typing import get_args

import pytest

from scripts.channels_page import TARGET, page
from shared.destinations import CHANNELS
from shared.sending.channel import Channel
from shared.sending.results import Reason, http_reason
from shared.settings import RuntimeSettings


def test_the_page_is_the_channels() -> None:
    """A channel that changes changes the page: `python scripts/channels_page.py` writes it."""
    text = TARGET.read_text(encoding="utf-8")
    assert page(text) == text


@pytest.mark.parametrize("channel", CHANNELS.values(), ids=lambda channel: channel.name)
def test_every_channel_is_whole(channel: Channel) -> None:
    """Its name is the one that its settings take, and its examples are valid settings."""
    assert get_args(channel.settings.model_fields["channel"].annotation) == (channel.name,)
    settings = RuntimeSettings.model_validate({"destinations": channel.examples})
    assert {type(made) for made in settings.destinations.values()} == {channel.settings}
    assert channel.summary.endswith(".")


@pytest.mark.parametrize(
    ("status", "reason"), [(403, "http 403"), (418, "http 4xx"), (599, "http 5xx"), (700, "http other")]
)
def test_every_status_has_one_of_the_known_reasons(status: int, reason: str) -> None:
    """Reports can be counted by reason: there are no more than these."""
    assert http_reason(status) == reason
    assert reason in get_args(Reason)
