"""The exchange's request limits: weight a minute, the two side pools, 429 and the ban after it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from shared.contracts import DAY_MS

MINUTE_MS: Final = 60_000
WEIGHT_LIMIT: Final = 2_400
POOL_MS: Final = 300_000
POOL_LIMITS: Final = {"data": 1_000, "funding": 500}  #: requests a five minutes
PATIENCE: Final = 20  #: requests refused with 429 before the ban
FIRST_BAN_MS: Final = 120_000
LONGEST_BAN_MS: Final = 3 * DAY_MS

_DEPTH: Final = ((50, 2), (100, 5), (500, 10), (1_000, 20))
_ALL_OR_ONE: Final = {
    "/fapi/v1/ticker/24hr": (40, 1),
    "/fapi/v1/ticker/price": (2, 1),
    "/fapi/v2/ticker/price": (2, 1),
    "/fapi/v1/premiumIndex": (10, 1),
}
_FUNDING: Final = ("/fapi/v1/fundingRate", "/fapi/v1/fundingInfo")


def _number(text: str | None, default: int) -> int:
    return int(text) if text is not None and text.isdecimal() else default


def weight_of(path: str, query: Mapping[str, str]) -> int:
    """Return what a request costs in weight."""
    if path == "/fapi/v1/klines":
        limit = _number(query.get("limit"), 500)
        return 1 if limit < 100 else 2 if limit < 500 else 5 if limit <= 1_000 else 10
    if path == "/fapi/v1/depth":
        limit = _number(query.get("limit"), 500)
        return next((weight for most, weight in _DEPTH if limit <= most), 20)
    if path in _ALL_OR_ONE:
        return _ALL_OR_ONE[path]["symbol" in query]
    return 1 if path.startswith("/fapi/") and pool_of(path) is None else 0


def pool_of(path: str) -> str | None:
    """Return the side pool that a request is counted in."""
    if path.startswith("/futures/data/"):
        return "data"
    return "funding" if path in _FUNDING else None


@dataclass(frozen=True, slots=True)
class Admission:
    """Whether a request is let in, and what its answer says of the limits."""

    status: int  #: 200, 429 or 418
    used: int  #: weight of this minute, this request included
    retry_after_ms: int = 0
    banned_until: int = 0
    message: str = ""


@dataclass(slots=True)
class _Visitor:
    minute: int = -1
    used: int = 0
    pools: dict[str, tuple[int, int]] = field(default_factory=dict)
    refused: int = 0
    banned_until: int = 0
    bans: int = 0


class RequestLimits:
    """Counts each address's requests; *now* is the metered clock in ms."""

    def __init__(self, *, enforced: bool = True) -> None:
        self.enforced = enforced
        self.requests: Counter[str] = Counter()
        self.refusals: Counter[int] = Counter()
        self.weight = 0  #: of all requests that were not refused outright by a ban
        self.weight_peak = 0
        self.pool_peak: dict[str, int] = {"data": 0, "funding": 0}
        self._visitors: dict[str, _Visitor] = {}
        self._all_banned_until = 0

    def admit(self, address: str, path: str, query: Mapping[str, str], now: int) -> Admission:
        """Count a request and judge it; one that turns out wrong costs as much as a right one."""
        visitor = self._visitors.setdefault(address, _Visitor())
        self.requests[path] += 1
        visitor.banned_until = max(visitor.banned_until, self._all_banned_until)
        if now < visitor.banned_until:
            return self._refuse(self._banned(visitor, now))
        if visitor.minute != now // MINUTE_MS:
            visitor.minute, visitor.used, visitor.refused = now // MINUTE_MS, 0, 0
        weight = weight_of(path, query)
        self.weight += weight
        visitor.used += weight
        self.weight_peak = max(self.weight_peak, visitor.used)
        wait = max(self._over_weight(visitor, now), self._over_pool(visitor, pool_of(path), now))
        if not self.enforced or wait == 0:
            return Admission(200, visitor.used)
        visitor.refused += 1
        if visitor.refused > PATIENCE:
            self.ban(address, now)
            return self._refuse(self._banned(visitor, now))
        return self._refuse(Admission(429, visitor.used, wait, message=_TOO_MANY))

    def ban(self, address: str, now: int) -> None:
        """Ban *address*: two minutes at first, twice as long each time."""
        visitor = self._visitors.setdefault(address, _Visitor())
        visitor.bans += 1
        visitor.banned_until = now + min(FIRST_BAN_MS * 2 ** (visitor.bans - 1), LONGEST_BAN_MS)

    def ban_all(self, now: int, milliseconds: int) -> None:
        """Ban everybody, those too who have not asked yet."""
        self._all_banned_until = now + milliseconds

    def _refuse(self, admission: Admission) -> Admission:
        self.refusals[admission.status] += 1
        return admission

    def _banned(self, visitor: _Visitor, now: int) -> Admission:
        return Admission(418, visitor.used, visitor.banned_until - now, visitor.banned_until)

    def _over_weight(self, visitor: _Visitor, now: int) -> int:
        return MINUTE_MS - now % MINUTE_MS if visitor.used > WEIGHT_LIMIT else 0

    def _over_pool(self, visitor: _Visitor, pool: str | None, now: int) -> int:
        if pool is None:
            return 0
        window, count = visitor.pools.get(pool, (-1, 0))
        count = count + 1 if window == now // POOL_MS else 1
        visitor.pools[pool] = (now // POOL_MS, count)
        self.pool_peak[pool] = max(self.pool_peak[pool], count)
        return POOL_MS - now % POOL_MS if count > POOL_LIMITS[pool] else 0


_TOO_MANY: Final = (
    f"Too much request weight used; current limit is {WEIGHT_LIMIT} request weight per 1 MINUTE. "
    "Please use WebSocket Streams for live updates to avoid polling the API."
)


def ban_message(address: str, until: int) -> str:
    """Return the text that goes with status 418."""
    return (
        f"Way too many requests; IP({address}) banned until {until}. "
        "Please use the websocket for live updates to avoid bans."
    )


def retry_after(wall_seconds: float) -> str:
    """Return the header's value: whole seconds, at least one."""
    return str(max(1, math.ceil(wall_seconds)))
