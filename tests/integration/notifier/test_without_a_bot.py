"""A notifier without a Telegram token."""

from __future__ import annotations

import subprocess
import sys

import msgspec

from services.notifier.__main__ import answer_chats
from shared.bus import RedisBus
from shared.config.environment import Environment
from shared.reports import BOT, REPORT, BotReport
from shared.runtime.service import Service

IMPORTED = "import sys, services.notifier.__main__; print(*sorted({'telegram', 'PIL'} & sys.modules.keys()))"


def test_what_the_bot_alone_needs_is_not_imported() -> None:
    """Telegram's library and the pictures of the bot's answers take memory only where there is a bot."""
    ran = subprocess.run([sys.executable, "-c", IMPORTED], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == ""


async def test_a_missing_token_is_reported(fresh_valkey: str) -> None:
    """Set-up and status read that there is none."""
    bus = RedisBus(fresh_valkey)
    await answer_chats(Service("notifier", Environment(redis_url=fresh_valkey), bus), bus)
    held = (await bus.load_state(BOT)).fields[REPORT]
    await bus.close()
    assert msgspec.json.decode(held, type=BotReport).token == "missing"
