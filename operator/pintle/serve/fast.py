"""The fast path: requests for predictions straight from the HTTP parser to the handler and back, without ASGI.

    bytes ── known head ───────────────────────────┐
      └── parser ── POST to a path of predictions ──┴── handler ── bytes
                └── all else, and what is unusual ── uvicorn ── InferenceApp ── handler ── bytes

A subclass of uvicorn's protocol for httptools. What is unusual: HTTP/1.0, Expect, chunked bodies, bodies over the
limit, a request that came before the last one was answered, a client that does not read. It goes to InferenceApp, the
twin of this class; both give the same bytes (tests/property/test_serve_twins.py).
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import time
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from pintle.contract.metrics import REFUSED_BAD_HEAD, REFUSED_SLOW_HEAD, REFUSED_TOO_MANY, REFUSED_UNREAD
from pintle.serve.handler import Handler
from pintle.serve.heads import KnownHeads, ResponseHeads, read_headers
from pintle.serve.http import CLIENT_REJECTED, Answer, Overloaded, Rejected, Request

KNOWN_UVICORN = "0.54."
"""The protocol's inside is no interface: another version is served by ASGI alone."""
MAX_HEAD_BYTES = 65_536
LARGE_BYTES = 65_536
"""Bodies above it count among those that are coming in; smaller ones are bounded by the number of connections."""
TOO_MANY = Rejected(503, "too many connections; try again", CLIENT_REJECTED, ((b"retry-after", b"1"),))


def is_usable() -> bool:
    """Whether this uvicorn is the one that the fast path was written for."""
    return uvicorn.__version__.startswith(KNOWN_UVICORN)


class Front:
    """What all connections of the inference port share."""

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self.settings = handler.settings
        self.known = KnownHeads()
        self.responses = ResponseHeads()
        self.paths = {path.encode(): path for path in handler.predict_paths}

    def __call__(self, *args: Any, **kwargs: Any) -> FastProtocol:
        """A connection, as uvicorn asks for it."""
        return FastProtocol(self, *args, **kwargs)


class _Event:
    """What uvicorn's cycles have to wake the application; nobody waits here."""

    def set(self) -> None:
        pass


class FastCycle:
    """Stands for a request of the fast path where uvicorn looks for its own cycle."""

    __slots__ = ("disconnected", "keep_alive", "message_event", "response_complete")

    def __init__(self) -> None:
        self.disconnected = False
        self.keep_alive = True
        self.response_complete = True
        self.message_event = _Event()


class FastProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, front: Front, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._front = front
        self._handler = front.handler
        self._fast = FastCycle()
        self._reading: Request | None = None
        self._parts: list[bytes] = []
        self._held = 0
        self._is_large = False
        self._in_message = False
        self._in_head = False
        self._head_bytes = 0
        self._data = b""
        self._since = time.perf_counter()
        """Of the state that the connection is in: begin of the message that comes in, or the last answer."""
        self._stuck_since = 0.0
        self._broken = False

    # --- connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self._front.settings.connections:
            self._handler.metrics.refused(REFUSED_TOO_MANY)
            self._refuse(TOO_MANY)

    def eof_received(self) -> bool:  # type: ignore[override]
        """A client that has sent all it wants to still gets its answer."""
        body_lacks = self._in_message and not self._in_head and not self.pipeline
        if body_lacks or self._is_free():
            return False
        self.cycle.keep_alive = False
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._let_go()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stuck_since = time.perf_counter()

    def sweep(self, now: float) -> None:
        """Close a connection that has been idle, sends too slowly, or does not take its answers."""
        settings, waited = self._front.settings, now - self._since
        if self.flow.write_paused and now - self._stuck_since > settings.request_seconds:
            self._reset()
        elif self._in_message:
            if waited <= settings.request_seconds or self.transport.is_closing():
                return
            slow = Rejected(408, f"the request was not complete after {settings.request_seconds:g} s", CLIENT_REJECTED)
            if self._reading is not None:
                self._give_up(self._reading, slow)
            elif self._is_free() and self._in_head:
                self._handler.metrics.refused(REFUSED_SLOW_HEAD)
                self._refuse(slow)
            elif self._is_free():  # the answer is out already
                self.transport.close()
        elif waited > settings.keep_alive_seconds and self._is_free():
            self.transport.close()

    def _refuse(self, rejected: Rejected) -> None:
        """Answer without a request, and close."""
        answer = rejected.answer()
        self.transport.write(self._front.responses.bytes_of(answer, self.server_state.default_headers, True))
        self.transport.close()

    def _reset(self) -> None:
        """Away at once, with what the kernel still holds for a client that does not take it."""
        self._handler.metrics.refused(REFUSED_UNREAD)
        found = self.transport.get_extra_info("socket")
        if found is not None:
            with socket.socket(fileno=os.dup(found.fileno())) as same:  # uvloop's own takes no options
                same.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def _is_free(self) -> bool:
        """Whether nothing waits for an answer here."""
        return (self.cycle is None or self.cycle.response_complete) and not self.pipeline

    # --- requests

    def data_received(self, data: bytes) -> None:
        if self._broken:
            return
        if not self._in_message and not self._handler.draining and self._is_free() and not self.flow.write_paused:
            request = self._front.known.find(data, time.perf_counter())
            if request is not None:
                self._take(request)
                return
            self._data = data
        self._unset_keepalive_if_required()
        in_head = self._in_head
        super().data_received(data)
        self._data = b""
        if in_head and self._in_head:  # of a head that began within a read, that read is not counted
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._break_off(Rejected(431, f"the head is larger than {MAX_HEAD_BYTES} bytes", CLIENT_REJECTED))

    def send_400_response(self, msg: str) -> None:
        """As uvicorn calls it for what is no HTTP."""
        self._break_off(Rejected(400, msg, CLIENT_REJECTED))

    def _break_off(self, rejected: Rejected) -> None:
        """Nothing more is read; not closed before the request that is still being answered has its answer."""
        self._broken = True
        self._handler.metrics.refused(REFUSED_BAD_HEAD)
        if self._is_free():
            self._refuse(rejected)
        else:
            self.cycle.keep_alive = False
            self.flow.pause_reading()

    def on_message_begin(self) -> None:
        self.url = b""
        self.headers = []
        self.expect_100_continue = False
        self._reading = None
        self._in_message = self._in_head = True
        self._head_bytes = 0
        self._since = time.perf_counter()

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._reading = self._fast_request()
        if self._reading is not None:
            self._parts = []
            self._open()
            return
        url, headers, expect = self.url, self.headers, self.expect_100_continue
        since = self._since
        super().on_message_begin()
        self.url, self.expect_100_continue, self._since = url, expect, since
        self.headers += headers
        super().on_headers_complete()

    def _fast_request(self) -> Request | None:
        """The request whose head has come, if it is one of those that this path takes."""
        path = self._front.paths.get(self.url)
        parser = self.parser
        if (
            path is None
            or self.expect_100_continue
            or self._handler.draining
            or not self._is_free()
            or self.flow.write_paused
            or parser.get_method() != b"POST"
            or parser.get_http_version() != "1.1"
            or not parser.should_keep_alive()
            or parser.should_upgrade()
        ):
            return None
        request = Request("POST", path, b"", self._since)
        length = read_headers(request, self.headers)
        if length is None or length > self._front.settings.max_body_bytes:
            return None
        self._is_large = length > LARGE_BYTES
        return None if any(name == b"transfer-encoding" for name, _ in self.headers) else request

    def on_body(self, body: bytes) -> None:
        if self._reading is None:
            super().on_body(body)
            return
        self._parts.append(body)
        if self._is_large:
            self._held += len(body)
            try:
                self._handler.incoming.add(len(body))
            except Overloaded as overloaded:
                self._give_up(self._reading, overloaded)

    def _give_up(self, request: Request, rejected: Rejected) -> None:
        """Refuse a request whose body is not complete, and close."""
        self._reading = None
        self._let_go()
        self._fast.keep_alive = False
        self._handler.refuse(request, rejected, self._reply)

    def _let_go(self) -> None:
        """Of the parts of a body."""
        self._handler.incoming.remove(self._held)
        self._held = 0
        self._parts = []

    def on_message_complete(self) -> None:
        self._in_message = False
        request = self._reading
        if request is None:
            super().on_message_complete()
            return
        self._reading = None
        request.body = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._let_go()
        if self._data:
            self._front.known.learn(self._data, request)
        self._handler.handle(request, self._reply)

    def _take(self, request: Request) -> None:
        self._open()
        self._handler.handle(request, self._reply)

    def _open(self) -> None:
        """From here on uvicorn sees a request that waits for its answer."""
        cycle = self._fast
        cycle.response_complete = False
        cycle.keep_alive = True
        self.cycle = cycle  # type: ignore[assignment]

    # --- answers

    def _reply(self, answer: Answer) -> None:
        cycle = self._fast
        if cycle.response_complete:
            return
        cycle.response_complete = True
        if self.transport.is_closing():
            return
        closing = not cycle.keep_alive or self._handler.draining
        self.transport.write(self._front.responses.bytes_of(answer, self.server_state.default_headers, closing))
        if closing:
            self.transport.close()
        elif self.pipeline or self.flow.read_paused:
            self.on_response_complete()
        else:
            self.server_state.total_requests += 1
            self._since = time.perf_counter()

    def on_response_complete(self) -> None:
        """As uvicorn's, but for its timer of idle connections: `sweep` looks after them."""
        self.server_state.total_requests += 1
        self._since = time.perf_counter()
        if self.transport.is_closing():
            return
        if not self._broken:
            self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
