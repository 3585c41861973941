"""A Redis, its replica and three sentinels behind the proxy: the sentinels name doors in the servers' place."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import time
from collections.abc import Callable
from typing import Final, Literal, get_args

from tests.chaos.proxy import Proxy
from tests.sentinels import Watched, address_of, until

#: how a master is lost: at once, by hanging for a while, or at once with what it had not passed on
Loss = Literal["killed", "hangs", "killed while ahead"]
LOSSES: Final[tuple[Loss, ...]] = get_args(Loss)
AHEAD_SECONDS: Final = 2.0  #: that a replica is cut off; after eight the sentinels would connect it again
HANG_SECONDS: Final = 12.0  #: beyond the services' own time-out of 10 s
NO_SERVER: Final = 1  #: a port where nothing listens


def hang(server: subprocess.Popen[bytes], wait_for_another: Callable[[], None]) -> None:
    """Let *server* hang for `HANG_SECONDS`, or longer where it takes *wait_for_another* longer."""
    server.send_signal(signal.SIGSTOP)
    until_at = time.monotonic() + HANG_SECONDS
    wait_for_another()
    time.sleep(max(0.0, until_at - time.monotonic()))
    server.send_signal(signal.SIGCONT)


class SentinelServers:
    """The servers as a run uses them."""

    def __init__(self, watched: Watched) -> None:
        self.watched = watched
        self.redis_url = watched.url

    async def environment(self, proxy: Proxy, name: str, redis_url: str) -> dict[str, str]:
        """Return the address of three doors to the sentinels, which name the doors to the servers."""
        doors = {port: await proxy.door(name, port) for port in self.watched.servers}
        sentinels = [await proxy.door(name, port, doors) for port in self.watched.sentinels]
        return {"SEVENGATE_REDIS_URL": address_of(sentinels)}

    async def fail_over(self, loss: Loss) -> None:
        """Take the master away by *loss*; return when there is another and the servers are complete."""
        old = await asyncio.to_thread(self.watched.master)
        (other,) = (port for port in self.watched.servers if port != old)
        if loss == "killed while ahead":
            with self.watched.on(other) as replica:
                replica.replicaof("127.0.0.1", NO_SERVER)
            await asyncio.sleep(AHEAD_SECONDS)
        await asyncio.to_thread(self._hang if loss == "hangs" else self._kill, old)
        with self.watched.on(other) as now:
            await asyncio.to_thread(until, lambda: now.info("replication")["connected_slaves"] == 1)

    def _kill(self, old: int) -> None:
        self.watched.servers[old].kill()
        self._wait_for_another(old)
        self.watched.start_again(old)

    def _hang(self, old: int) -> None:
        hang(self.watched.servers[old], lambda: self._wait_for_another(old))

    def _wait_for_another(self, old: int) -> None:
        until(lambda: self.watched.master() != old)
