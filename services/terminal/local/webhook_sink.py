"""A webhook receiver on this machine, so that the demo's alerts are really delivered."""

from __future__ import annotations

import asyncio
import base64
import secrets
import signal
import sys
import time
from types import TracebackType
from typing import Any, Self

from aiohttp import web
from standardwebhooks import Webhook, WebhookVerificationError

from services.terminal.local.listening import free_port


class Sink:
    """Takes signed webhooks on a free port of the loopback; an async context manager."""

    def __init__(self) -> None:
        self.port = free_port()
        self.secret = "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()
        self.received: list[str] = []  #: the webhook ids, which are those of the alerts, in the order of arrival
        self.times: dict[str, list[float]] = {}  #: the id -> when each of its webhooks came, UNIX seconds
        self.refused = 0  #: bodies whose signature was wrong
        self._runner: web.AppRunner | None = None

    @property
    def destination(self) -> dict[str, Any]:
        """The destination in config.yaml's form."""
        return {
            "channel": "webhook",
            "url": f"http://127.0.0.1:{self.port}/alerts",
            "secret": self.secret,
            "allow": ["127.0.0.1/32"],
        }

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=1 << 22)
        app.add_routes([web.post("/alerts", self._take)])
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        came = time.time()
        body = await request.read()
        try:
            Webhook(self.secret).verify(body, dict(request.headers))
        except WebhookVerificationError:
            self.refused += 1
            return web.Response(status=401, text="the signature is wrong")
        webhook_id = request.headers["webhook-id"]
        self.received.append(webhook_id)
        self.times.setdefault(webhook_id, []).append(came)
        return web.Response(status=204)


async def receive(port: int) -> None:
    """Print one line for each webhook that comes to *port*, signed or not, until asked to stop."""

    async def take(request: web.Request) -> web.Response:
        alert = await request.json()
        print(alert.get("kind"), alert.get("symbol"), alert.get("alert_id"), flush=True)
        return web.Response(status=204)

    app = web.Application(client_max_size=1 << 22)
    app.add_routes([web.post("/alerts", take)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "0.0.0.0", port).start()  # noqa: S104 inside its container
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(receive(int(sys.argv[1])))
