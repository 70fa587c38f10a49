"""The two small HTTP servers: health on one port, the operator's own metrics on another."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web
from prometheus_client import generate_latest

from pintle.controller.telemetry import Metrics

Check = Callable[[], str | None]
"""Returns what is wrong, or None."""


class Servers:
    """/healthz and /readyz on one port, /metrics on the other, on all interfaces."""

    def __init__(
        self, *, alive: Check, ready: Check, metrics: Metrics, refresh: Callable[[], None], host: str = "0.0.0.0"
    ) -> None:
        self._checks = {"/healthz": alive, "/readyz": ready}
        self._metrics = metrics
        self._refresh = refresh
        self._host = host
        self._runners: list[web.AppRunner] = []

    async def start(self, health_port: int, metrics_port: int) -> None:
        """Listen on both ports."""
        health = web.Application()
        for path in self._checks:
            health.router.add_get(path, self._answer)
        numbers = web.Application()
        numbers.router.add_get("/metrics", self._numbers)
        for application, port in ((health, health_port), (numbers, metrics_port)):
            runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=1.0)
            await runner.setup()
            self._runners.append(runner)
            await web.TCPSite(runner, self._host, port).start()

    async def stop(self) -> None:
        """Close both ports."""
        for runner in self._runners:
            await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        wrong = self._checks[request.path]()
        return web.Response(text=wrong or "ok", status=503 if wrong else 200)

    async def _numbers(self, request: web.Request) -> web.Response:
        self._refresh()
        return web.Response(body=generate_latest(self._metrics.registry), content_type="text/plain", charset="utf-8")
