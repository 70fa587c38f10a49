"""ASGI around the handler: reads bodies within their limits, writes answers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from pintle.serve.handler import Handler
from pintle.serve.heads import read_headers
from pintle.serve.http import CLIENT_REJECTED, Answer, BadRequest, Rejected, Request

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

CLOSE = (b"connection", b"close")


class Gone(Exception):
    """The client left before its request was complete: nobody is there to answer."""


class InferenceApp:
    """The ASGI application of the inference port."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request, length = request_of(scope)
        answer = asyncio.get_running_loop().create_future()

        def reply(found: Answer) -> None:
            if not answer.done():
                answer.set_result(found)

        try:
            if request.method not in ("GET", "HEAD") and self._handler.is_known(request.path):
                request.body = await read_body(receive, length, self._handler)
        except Gone:
            return
        except Rejected as rejected:
            self._handler.refuse(request, rejected, reply)
        else:
            self._handler.handle(request, reply)
        await write_answer(await answer, send, head_only=request.method == "HEAD", closing=self._handler.draining)


async def read_body(receive: Receive, length: int | None, handler: Handler) -> bytes:
    """The whole body. Raises Rejected when it is too large, too slow or one too many, Gone when the client leaves."""
    max_bytes, seconds = handler.settings.max_body_bytes, handler.settings.request_seconds
    too_large = BadRequest(f"the body is larger than {max_bytes} bytes", 413)
    if length is not None and length > max_bytes:
        raise too_large
    message = await _receive(receive)
    body: bytes = message.get("body", b"")
    if not message.get("more_body"):
        if len(body) > max_bytes:
            raise too_large
        return body
    parts, size = [body], len(body)
    deadline = asyncio.get_running_loop().time() + seconds
    try:
        handler.incoming.add(size)
        async with asyncio.timeout_at(deadline):
            while message.get("more_body"):
                message = await _receive(receive)
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                handler.incoming.add(len(parts[-1]))
                if size > max_bytes:
                    raise too_large
    except TimeoutError:
        raise Rejected(408, f"the body was not complete after {seconds:g} s", CLIENT_REJECTED) from None
    finally:
        handler.incoming.remove(size)
    return b"".join(parts)


async def _receive(receive: Receive) -> Message:
    message = await receive()
    if message["type"] == "http.disconnect":
        raise Gone
    return message


def request_of(scope: Scope) -> tuple[Request, int | None]:
    """The request without its body, and the length its head gives."""
    request = Request(scope["method"], scope["path"], b"", time.perf_counter())
    return request, read_headers(request, scope["headers"])


async def write_answer(answer: Answer, send: Send, head_only: bool = False, closing: bool = False) -> None:
    headers = [
        (b"content-type", answer.content_type),
        (b"content-length", str(len(answer.body)).encode()),
        *answer.headers,
    ]
    if closing:
        headers.append(CLOSE)
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head_only else answer.body})
