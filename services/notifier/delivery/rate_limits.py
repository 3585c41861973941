"""A chat's rate limit, across processes: one message a second, twenty a minute in a group."""

from __future__ import annotations

from typing import Final

from services.notifier.delivery.delivery_log import now_ms
from shared.bus import RedisBus

_TAKE_LUA: Final = """
-- KEYS: the chat, the bot, the chat's minute.  ARGV: now ms, ms a message in the chat, for the bot, a minute's limit.
local now = tonumber(ARGV[1])
local free = math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), tonumber(redis.call('GET', KEYS[2]) or '0'))
if free > now then return free - now end
redis.call('ZREMRANGEBYSCORE', KEYS[3], 0, now - 60000)
local limit = tonumber(ARGV[4])
if limit > 0 and redis.call('ZCARD', KEYS[3]) >= limit then
  return tonumber(redis.call('ZRANGE', KEYS[3], 0, 0, 'WITHSCORES')[2]) + 60000 - now
end
redis.call('SET', KEYS[1], now + tonumber(ARGV[2]), 'PX', 60000)
redis.call('SET', KEYS[2], now + tonumber(ARGV[3]), 'PX', 60000)
redis.call('ZADD', KEYS[3], now, ARGV[1] .. '-' .. redis.call('INCR', KEYS[3] .. ':n'))
redis.call('PEXPIRE', KEYS[3], 61000)
redis.call('PEXPIRE', KEYS[3] .. ':n', 61000)
return 0
"""


class RateLimiter:
    """Grants each message its moment."""

    def __init__(self, bus: RedisBus, *, chat_ms: int = 1_000, bot_ms: int = 34, group_minute: int = 20) -> None:
        self._bus = bus
        self._take = bus.redis.register_script(_TAKE_LUA)
        self._chat_ms, self._bot_ms, self._group_minute = chat_ms, bot_ms, group_minute

    async def wait(self, chat_id: str) -> float | None:
        """Take the chat's next moment: None when it is now, else the seconds until it may be asked for again."""
        group = chat_id.startswith(("-", "@"))
        keys = [
            self._bus.key(f"rate:chat:{chat_id}"),
            self._bus.key("rate:bot"),
            self._bus.key(f"rate:minute:{chat_id}"),
        ]
        arguments = [now_ms(), self._chat_ms, self._bot_ms, self._group_minute if group else 0]
        left = int(await self._take(keys=keys, args=arguments))
        return None if left <= 0 else left / 1_000

    async def hold(self, lane: str, seconds: float) -> None:
        """Send nothing to *lane*, a chat or another unit of rate limiting, for the *seconds* that it asked for."""
        until = now_ms() + int(seconds * 1_000)
        await self._bus.redis.set(self._bus.key(f"rate:chat:{lane}"), until, px=max(1, int(seconds * 1_000)))

    async def held(self, *lanes: str) -> float | None:
        """Return the seconds until none of *lanes* is held any more; None when none is."""
        found = await self._bus.redis.mget([self._bus.key(f"rate:chat:{lane}") for lane in lanes])
        left = max(int(until) for until in (*found, 0) if until is not None) - now_ms()
        return None if left <= 0 else left / 1_000
