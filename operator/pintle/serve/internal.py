"""The internal port: `GET /metrics`, and `POST /feedback` for labels that come late."""

from __future__ import annotations

import asyncio

from pintle.contract.metrics import FEEDBACK_PATH
from pintle.serve.app import Gone, Receive, Scope, Send, read_body, request_of, write_answer
from pintle.serve.feedback import SLICE_LABELS, Tally
from pintle.serve.handler import Handler
from pintle.serve.http import PLAIN, Answer, BadRequest, Overloaded, Rejected, error, inflate
from pintle.serve.metrics import CONTENT_TYPE
from pintle.serve.model_api import check_media


class InternalApp:
    """The ASGI application of the metrics port."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._feedback_paths = (FEEDBACK_PATH, f"/v2/models/{handler.settings.identity.model}{FEEDBACK_PATH}")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        path, method = scope["path"], scope["method"]
        if path == "/metrics" and method in ("GET", "HEAD"):
            await write_answer(await self._metrics(), send, head_only=method == "HEAD")
        elif path in self._feedback_paths and method == "POST":
            try:
                answer = await self._take(scope, receive)
            except Rejected as rejected:
                answer = rejected.answer()
            except Gone:
                return
            await write_answer(answer, send)
        else:
            await write_answer(error(404, f"only GET /metrics and POST {FEEDBACK_PATH} are here"), send)

    async def _metrics(self) -> Answer:
        """All rows that were answered are in it."""
        if self._handler.monitor is not None:
            await self._handler.monitor.catch_up()
        return Answer(200, self._handler.metrics.render(), CONTENT_TYPE)

    async def _take(self, scope: Scope, receive: Receive) -> Answer:
        """Count the labels of a request, a slice in a turn: predictions get in between. Raises Rejected, Gone."""
        settings, feedback = self._handler.settings, self._handler.feedback
        request, length = request_of(scope)
        check_media(request)
        body = await read_body(receive, length, self._handler)
        if request.content_encoding not in PLAIN:
            body = inflate(body, request.content_encoding, settings.max_body_bytes)
        if self._handler.no_labels:
            raise BadRequest(self._handler.no_labels)
        if feedback is None or self._handler.draining:
            raise Overloaded("not in service: send the labels to another replica")
        labels, tally = feedback.read(body), Tally()
        for first in range(0, len(labels), SLICE_LABELS):
            feedback.count(labels, first, tally)
            await asyncio.sleep(0)
        return tally.answer()
