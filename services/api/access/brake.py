"""Slows the guessing of keys, by address and over all addresses; refused requests are not judged."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict, deque
from typing import Final

FAILURES_A_MINUTE: Final = 20  #: of one address
FAILURES_OF_ALL: Final = 200  #: a minute; addresses that had a right key before go on
MOST_ADDRESSES: Final = 10_000
WINDOW_S: Final = 60.0


class Brake:
    """Remembers the failures of the last minute."""

    def __init__(self) -> None:
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()
        self._all: deque[float] = deque(maxlen=FAILURES_OF_ALL)
        self._good: OrderedDict[str, None] = OrderedDict()

    def holds(self, client: str, now: float) -> bool:
        """Return whether *client* has to wait; *now* is a monotonic clock in seconds."""
        address = network_of(client)
        own = self._failures.get(address)
        if own is not None and len(own) == FAILURES_A_MINUTE and now - own[0] < WINDOW_S:
            return True
        full = len(self._all) == FAILURES_OF_ALL and now - self._all[0] < WINDOW_S
        return full and address not in self._good

    def failed(self, client: str, now: float) -> None:
        """Count a wrong key."""
        address = network_of(client)
        self._all.append(now)
        self._failures.setdefault(address, deque(maxlen=FAILURES_A_MINUTE)).append(now)
        self._failures.move_to_end(address)
        if len(self._failures) > MOST_ADDRESSES:
            self._failures.popitem(last=False)

    def passed(self, client: str) -> None:
        """Remember that *client* had a right key."""
        self._good[network_of(client)] = None
        self._good.move_to_end(network_of(client))
        if len(self._good) > MOST_ADDRESSES:
            self._good.popitem(last=False)


def network_of(client: str) -> str:
    """Return the network that counts as one address: of IPv6 a /64."""
    try:
        address = ipaddress.ip_address(client)
    except ValueError:
        return client
    return str(ipaddress.ip_network((address, 64), strict=False)) if address.version == 6 else client
