"""/health and /metrics of a service's process."""

from __future__ import annotations

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from shared.runtime.service import Service


async def serve_health(service: Service) -> web.AppRunner:
    """Serve /health and /metrics; return the runner to clean up."""

    async def health(_: web.Request) -> web.Response:
        healthy, details = service.health()
        return web.json_response(details, status=200 if healthy else 503)

    async def exposition(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.add_routes([web.get("/health", health), web.get("/metrics", exposition)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, service.environment.metrics_host, service.environment.metrics_port)
    await site.start()
    return runner
