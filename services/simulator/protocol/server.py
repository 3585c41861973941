"""The simulator's HTTP server: limits and faults in front of the endpoints, the sockets, the control."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from aiohttp import web

from services.simulator.clock import SimulatedClock
from services.simulator.clock_file import KeptClock
from services.simulator.conductor import Conductor
from services.simulator.exchange import SimulatedExchange
from services.simulator.faults.faults import Faults, UnknownFaultError
from services.simulator.market.tape import Source
from services.simulator.protocol import encode
from services.simulator.protocol.limits import Admission, RequestLimits, ban_message, retry_after
from services.simulator.protocol.parameters import RefusedRequestError
from services.simulator.protocol.rest import RestEndpoints
from services.simulator.protocol.streams import LIFETIME_MS, Hub

_PAGE: Final = (
    "<html>\r\n<head><title>{0}</title></head>\r\n<body>\r\n<center><h1>{0}</h1></center>\r\n</body></html>\r\n"
)
_RESTRICTED: Final = {
    "code": 0,
    "msg": "Service unavailable from a restricted location according to 'b. Eligibility' in "
    "https://www.binance.com/en/terms. Please contact customer service if you believe you received this message "
    "in error.",
}
_INTERNAL: Final = {"code": -1001, "msg": "Internal error; unable to process your request. Please try again."}
_TOO_MANY: Final = {"code": -1003, "msg": "Too many requests; please use the websocket for live updates."}

#: fault -> status, an HTML page's title or a JSON body, headers
_SPOILED: Final[dict[str, tuple[int, str | dict[str, Any], dict[str, str]]]] = {
    "429": (429, _TOO_MANY, {"Retry-After": "2"}),
    "403": (403, "403 Forbidden", {}),
    "451": (451, _RESTRICTED, {}),
    "html-502": (502, "502 Bad Gateway", {}),
    "error-1001": (503, _INTERNAL, {}),
    "error-1003": (429, _TOO_MANY, {}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """How a simulator runs."""

    start: int  #: exchange clock, ms
    speed: float = 1.0  #: 0: lockstep
    limits: bool = True
    socket_ms: int = LIFETIME_MS  #: exchange clock: older sockets are cut
    faults: tuple[tuple[str, str | None, float | None], ...] = ()
    kept: KeptClock | None = None  #: the clock across restarts
    spread: float = 0.0  #: wall seconds over which the closed frames of a close go out; not in lockstep


class Simulator:
    """One exchange on one port."""

    def __init__(self, source: Source, options: ServerOptions) -> None:
        self.clock = SimulatedClock(options.start, options.speed)
        self.faults = Faults(self.clock, source.contracts[min(1, len(source.contracts) - 1)].symbol)
        self.exchange = SimulatedExchange(source, self.clock, self.faults)
        self.rest = RestEndpoints(self.exchange)
        self.hub = Hub(self.clock, self.faults, options.socket_ms)
        self.conductor = Conductor(self.exchange, self.hub, self.rest, options.kept, spread=options.spread)
        self.limits = RequestLimits(enforced=options.limits)
        self._options = options
        self._runner: web.AppRunner | None = None
        self._running: asyncio.Task[None] | None = None

    async def open(self, host: str, port: int, *, broken: Callable[[], None] = lambda: None) -> int:
        """Listen, start the frames, and return the port; *broken* is called should the frames end in an error."""
        app = web.Application()
        for path in self.rest.routes:
            app.router.add_get(path, self._answer)
        app.router.add_get("/fng", self._answer)
        for address, scope in (("/market", "market"), ("/public", "public"), ("", "old")):
            app.router.add_get(f"{address}/stream", self._socket(scope, wrapped=True))
            app.router.add_get(f"{address}/ws", self._socket(scope, wrapped=False))
            app.router.add_get(f"{address}/ws/{{streams:.+}}", self._socket(scope, wrapped=False))
        app.router.add_get("/sim/status", self._status)
        app.router.add_post("/sim/faults", self._change_faults)
        app.router.add_post("/sim/step", self._take_step)
        app.router.add_get("/{path:.*}", _no_such_path)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port, backlog=1_024).start()
        for name, symbol, seconds in self._options.faults:
            self._turn_on(name, symbol, seconds)
        if not self.clock.lockstep:
            self._running = asyncio.ensure_future(self.conductor.run())
            self._running.add_done_callback(
                lambda task: broken() if not task.cancelled() and task.exception() else None
            )
        bound: int = self._runner.addresses[0][1]
        return bound

    async def close(self) -> None:
        """Stop sending and listening; raise what had ended the frames."""
        self.hub.cut_all()
        if self._runner is not None:
            await self._runner.cleanup()
        if self._running is not None:
            self._running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._running

    # REST

    async def _answer(self, request: web.Request) -> web.Response:
        if self.faults.get("slow"):
            await asyncio.sleep(3.0)
        path = "/fng/" if request.path == "/fng" else request.path
        address = request.remote or "unknown"
        admission = self.limits.admit(address, path, request.query, self.clock.metered())
        if admission.status != 200:
            return self._refused(address, admission)
        if (broken := self._broken()) is not None:
            return broken
        try:
            status, body = 200, self.rest.routes[path](request.query)
        except RefusedRequestError as refused:
            status, body = refused.status, refused.body
        return _json(body, status, self._headers(path, admission))

    def _headers(self, path: str, admission: Admission) -> dict[str, str]:
        if not path.startswith("/fapi/") or path in ("/fapi/v1/fundingRate", "/fapi/v1/fundingInfo"):
            return {}
        return {"X-MBX-USED-WEIGHT-1M": str(admission.used)}

    def _refused(self, address: str, admission: Admission) -> web.Response:
        wait = retry_after(self.clock.wall_seconds(admission.retry_after_ms))
        # the ban's end is on the exchange's clock, which in lockstep is not the metered one
        until = admission.banned_until - (self.clock.metered() - self.clock.now())
        message = admission.message or ban_message(address, until)
        body = encode.dumps({"code": -1003, "msg": message})
        return _json(body, admission.status, {"Retry-After": wait, "X-MBX-USED-WEIGHT-1M": str(admission.used)})

    def _broken(self) -> web.Response | None:
        """Return the answer of the fault that spoils every request, if one is on."""
        for name, (status, body, headers) in _SPOILED.items():
            if self.faults.get(name):
                if isinstance(body, str):
                    return web.Response(text=_PAGE.format(body), status=status, content_type="text/html")
                return _json(encode.dumps(body), status, headers)
        return None

    # WebSocket

    def _socket(self, scope: str, *, wrapped: bool) -> Any:
        async def serve(request: web.Request) -> web.StreamResponse:
            named = request.query.get("streams", "") if wrapped else request.match_info.get("streams", "")
            streams = [stream for stream in named.split("/") if stream]
            return await self.hub.serve(request, scope, streams, wrapped=wrapped)

        return serve

    # control

    async def _status(self, _: web.Request) -> web.Response:
        return _json(encode.dumps(self.status()), 200, {})

    def status(self) -> dict[str, Any]:
        """Return where the exchange stands and what was asked of it."""
        lags = np.array(self.conductor.lags) if self.conductor.lags else np.zeros(1)
        return {
            "now": self.exchange.now(),
            "speed": self.clock.speed,
            "lockstep": self.clock.lockstep,
            "next_close": self.conductor.next_close,
            "ended": self.conductor.ended,
            "symbols": [contract.symbol for contract in self.exchange.listed],
            "requests": dict(self.limits.requests),
            "refused": {str(status): count for status, count in self.limits.refusals.items()},
            "weight": self.limits.weight,
            "weight_peak_1m": self.limits.weight_peak,
            "pool_peak_5m": self.limits.pool_peak,
            "depth_served": self.rest.depth_served,
            "connections": len(self.hub.connections),
            "connections_opened": self.hub.opened,
            "connections_expired": self.hub.expired,
            "frames_sent": self.hub.sent,
            "kline_subscriptions": sum(stream.endswith("@kline_5m") for stream in self.hub.streams()),
            "closes": self.conductor.closes,
            "close_lag_ms": {
                "median": round(float(np.median(lags)) * 1_000, 2),
                "p99": round(float(np.quantile(lags, 0.99)) * 1_000, 2),
                "max": round(float(lags.max()) * 1_000, 2),
            },
            "estimated": list(self.exchange.source.estimated),
            "faults": self.faults.listed(),
            "faults_played": dict(self.faults.played),
        }

    async def _change_faults(self, request: web.Request) -> web.Response:
        try:
            wish = json.loads(await request.text())
            if wish.get("clear"):
                self.faults.clear()
            else:
                seconds = wish.get("seconds")
                self._turn_on(wish["name"], wish.get("symbol"), None if seconds is None else float(seconds))
        except (ValueError, KeyError, AttributeError, UnknownFaultError) as error:
            return _json(encode.dumps({"error": str(error)}), 400, {})
        return _json(encode.dumps({"faults": self.faults.listed()}), 200, {})

    def _turn_on(self, name: str, symbol: str | None, seconds: float | None) -> None:
        self.faults.turn_on(name, symbol, seconds if name != "disconnect" else seconds or 0.0)
        if name == "418":
            self.limits.ban_all(self.clock.metered(), int((seconds or 120.0) * 1_000))
        if name in ("disconnect", "403", "451"):
            self.hub.cut_all()

    async def _take_step(self, _: web.Request) -> web.Response:
        if not self.clock.lockstep:
            return _json(encode.dumps({"error": "the clock runs by itself; start with --lockstep"}), 409, {})
        return _json(encode.dumps(await self.conductor.step()), 200, {})


def _json(text: str, status: int, headers: dict[str, str]) -> web.Response:
    return web.Response(
        body=text.encode(), status=status, headers=headers, content_type="application/json", charset="utf-8"
    )


async def _no_such_path(request: web.Request) -> web.Response:
    body = {"code": -5000, "msg": f"Path {request.path}, Method {request.method} is invalid"}
    return _json(encode.dumps(body), 404, {})
