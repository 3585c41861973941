"""The request budget: one count in Redis for all fetchers, per minute of the exchange's clock.

Weight is taken in small allotments, so that most requests need no call to Redis.  The exchange's own count,
in every answer's header, counts where it is higher.  A ban is kept in Redis until it ends.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

import structlog
from redis.exceptions import RedisError

from services.fetcher.exchange import BlockedError
from services.fetcher.feed.clock import ExchangeClock
from shared import metrics
from shared.bus import RedisBus

Pool = Literal["weight", "data", "funding"]
WINDOW_MS: Final[dict[Pool, int]] = {"weight": 60_000, "data": 300_000, "funding": 300_000}
DEFAULT_LIMITS: Final[dict[Pool, int]] = {"weight": 2_400, "data": 1_000, "funding": 500}
ALLOTMENT: Final = 20  #: taken from the ledger at once

log = structlog.get_logger()

_TAKE_LUA: Final = """
-- KEYS: count, ban.  ARGV: needed, wished, limit, ttl.  Answers {granted, used, ms of ban left, why}.
local ban = redis.call('PTTL', KEYS[2])
if ban > 0 then return {0, 0, ban, redis.call('GET', KEYS[2])} end
local used = tonumber(redis.call('GET', KEYS[1]) or '0')
local grant = math.min(tonumber(ARGV[2]), tonumber(ARGV[3]) - used)
if grant < tonumber(ARGV[1]) then return {0, used, 0} end
used = redis.call('INCRBY', KEYS[1], grant)
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return {grant, used, 0}
"""

_LEARN_LUA: Final = """
if tonumber(redis.call('GET', KEYS[1]) or '0') < tonumber(ARGV[1]) then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
end
return 0
"""


@dataclass
class _Allotment:
    window: int = -1
    left: int = 0
    used: int = 0  #: by all fetchers, at the last reading


class WeightLedger:
    """A `Budget`: waits until a request may be made, or refuses it during a ban."""

    def __init__(
        self,
        bus: RedisBus,
        clock: ExchangeClock,
        share: Callable[[], float],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._bus = bus
        self._clock = clock
        self._share = share
        self._monotonic = monotonic
        self._began = monotonic()
        self._take = bus.redis.register_script(_TAKE_LUA)
        self._learn = bus.redis.register_script(_LEARN_LUA)
        self.limits = dict(DEFAULT_LIMITS)
        self._allotments: dict[Pool, _Allotment] = {pool: _Allotment() for pool in DEFAULT_LIMITS}
        self._locks = {pool: asyncio.Lock() for pool in DEFAULT_LIMITS}
        self._silent_until = 0.0  #: monotonic
        self._reason = ""
        self._blocked = False
        self.refused_for: str | None = None  #: why the exchange refuses this address, "": it answers; None: not known
        self._retired: dict[str, tuple[str, float]] = {}  #: path -> why, and until when (monotonic) it is not asked
        self.spent: dict[Pool, int] = dict.fromkeys(DEFAULT_LIMITS, 0)  #: by this process, ever

    def _now(self) -> int:
        """Return the time that is metered: in lockstep the wall's is added, or a full minute would never end."""
        lockstep = 0 if self._clock.speed else int((self._monotonic() - self._began) * 1_000)
        return self._clock.now() + lockstep

    def _cap(self, pool: Pool) -> int:
        return int(self.limits[pool] * self._share())

    async def spend(self, amount: int, pool: Pool = "weight") -> None:
        """Return when *amount* may be spent; raise `BlockedError` during a ban."""
        if amount <= 0:
            await self._quiet()
            return
        while True:
            await self._quiet()
            async with self._locks[pool]:
                if await self._granted(pool, amount):
                    self.spent[pool] += amount
                    return
            await asyncio.sleep(self._rest_of_window(pool))

    async def _granted(self, pool: Pool, amount: int) -> bool:
        window = self._now() // WINDOW_MS[pool]
        held = self._allotments[pool]
        if held.window != window:
            self._allotments[pool] = held = _Allotment(window)
        if held.left < amount:
            grant = await self._ask(pool, held, amount - held.left)
            held.left += grant
        if held.left < amount:
            return False
        held.left -= amount
        return True

    async def _ask(self, pool: Pool, held: _Allotment, needed: int) -> int:
        cap = self._cap(pool)
        arguments = [needed, max(needed, ALLOTMENT), cap, 2 * WINDOW_MS[pool]]
        try:
            answer = await self._take(keys=[self._key(pool, held.window), self._bus.key("ban")], args=arguments)
        except (RedisError, OSError):  # the ledger cannot be read: use this process's own count
            grant = needed if held.used + needed <= cap else 0
            held.used += grant
            return grant
        grant, held.used, ban = int(answer[0]), int(answer[1]), int(answer[2])
        if ban > 0:
            reason = bytes(answer[3]).decode()
            self._silence(reason, ban / 1_000, blocked=True)
            raise BlockedError(reason, ban / 1_000)
        if pool == "weight":
            metrics.FEED_WEIGHT.set(held.used)
        return grant

    def _key(self, pool: Pool, window: int) -> str:
        return self._bus.key(f"budget:{pool}:{window}")

    def _rest_of_window(self, pool: Pool) -> float:
        rest = WINDOW_MS[pool] - self._now() % WINDOW_MS[pool]
        return min(5.0, rest / 1_000 / (self._clock.speed or 1.0) + 0.01)

    async def learn(self, used: int) -> None:
        """Take the exchange's count of this minute where it is above ours."""
        window = self._now() // WINDOW_MS["weight"]
        held = self._allotments["weight"]
        if held.window != window or used <= held.used:
            return
        held.used, held.left = used, 0
        try:
            await self._learn(keys=[self._key("weight", window)], args=[used, 2 * WINDOW_MS["weight"]])
        except (RedisError, OSError) as error:
            log.warning("the ledger cannot be written", error=str(error))

    async def _quiet(self) -> None:
        """Wait for the end of a short ban; raise `BlockedError` in a long one."""
        while (rest := self._silent_until - self._monotonic()) > 0:
            if self._blocked:
                raise BlockedError(self._reason, rest)
            await asyncio.sleep(min(rest, 1.0))
        if self._blocked:
            metrics.FEED_BLOCKED.labels(self._reason).set(0)
            self._blocked = False

    @property
    def used(self) -> int:
        """The weight used in this minute by all fetchers, at the last reading."""
        held = self._allotments["weight"]
        return held.used if held.window == self._now() // WINDOW_MS["weight"] else 0

    @property
    def limit(self) -> int:
        """The weight that the exchange allows in a minute."""
        return self.limits["weight"]

    @property
    def blocked(self) -> str:
        """Why the exchange refuses this address now; empty when it does not."""
        return self._reason if self._blocked and self._silent_until > self._monotonic() else ""

    def pause(self, seconds: float | None) -> None:
        """Send nothing for *seconds*; None: until the minute is over."""
        wait = self._rest_of_window("weight") if seconds is None else seconds
        if self._silent_until <= self._monotonic():
            log.warning("the exchange asks for a pause", seconds=round(wait, 1))
        self._silence("rate limit", wait, blocked=False)

    async def block(self, reason: str, seconds: float) -> None:
        """Send nothing for *seconds*, and remember it across restarts."""
        if not self.blocked:
            log.error("the exchange refuses this address", reason=reason, seconds=round(seconds))
        self._silence(reason, seconds, blocked=True)
        try:
            await self._bus.redis.set(self._bus.key("ban"), reason, px=max(1, int(seconds * 1_000)))
        except (RedisError, OSError) as error:
            log.warning("the ban cannot be kept", error=str(error))

    def _silence(self, reason: str, seconds: float, *, blocked: bool) -> None:
        until = self._monotonic() + seconds
        if until > self._silent_until:
            self._silent_until, self._reason, self._blocked = until, reason, blocked or self._blocked
        if blocked:
            self.refused_for = reason
            metrics.FEED_BLOCKED.labels(reason).set(1)

    def answered(self) -> None:
        """Note that the exchange serves this address."""
        self.refused_for = ""

    async def remembered_ban(self) -> float:
        """Load a ban that an earlier process met; return the seconds left, 0 without one."""
        key = self._bus.key("ban")
        left = int(await self._bus.redis.pttl(key)) / 1_000
        if left > 0:
            self._silence((await self._bus.redis.get(key) or b"banned").decode(), left, blocked=True)
        return max(0.0, left)

    @property
    def retired(self) -> Mapping[str, str]:
        """The paths that are no longer served, each with the exchange's reason."""
        return {path: reason for path, (reason, _) in self._retired.items()}

    def known_retired(self, path: str) -> str:
        """Return why *path* is not asked for now; empty when it may be tried."""
        reason, until = self._retired.get(path, ("", 0.0))
        return reason if until > self._monotonic() else ""

    def retire(self, path: str, reason: str, seconds: float) -> None:
        """Ask for *path* no more for *seconds*; logged the first time."""
        if path not in self._retired:
            log.error("the exchange no longer serves a request", path=path, reason=reason)
        self._retired[path] = reason, self._monotonic() + seconds

    def served(self, path: str) -> None:
        """Note that *path* is served (again)."""
        if self._retired.pop(path, None):
            log.info("the exchange serves a request again", path=path)
