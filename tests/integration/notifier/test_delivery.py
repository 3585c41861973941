"""From the `alerts` stream to real servers and back on `deliveries`."""

from __future__ import annotations

import asyncio
import json

import pytest

from shared.contracts import Alert
from tests.integration.notifier.conftest import Stage

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(60)]


async def test_an_alert_reaches_webhook_and_telegram_once(stage: Stage, fresh_signal: Alert) -> None:
    """Both destinations are told and reported with the other side's message id."""
    await stage.route(house=stage.webhook(), phone={"channel": "telegram", "chat_id": "42"})
    await stage.tell(fresh_signal, fresh_signal)
    reports = await stage.until(lambda reports: len(reports) >= 2)
    assert sorted((report.destination, report.status) for report in reports) == [("house", "sent"), ("phone", "sent")]
    await asyncio.sleep(0.5)
    assert json.loads(stage.sink.received[0].body)["alert_id"] == fresh_signal.alert_id
    assert len(stage.sink.received) == len(stage.bot_api.received) == 1
