"""A connection without a socket: bytes in, bytes out, by uvicorn's own protocol class or by the fast path's."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from pintle.serve.app import InferenceApp
from pintle.serve.fast import Front
from pintle.serve.handler import Handler
from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

DATE = [(b"date", b"Sat, 21 Nov 2026 16:00:00 GMT")]


class Wire(asyncio.Transport):
    """The transport; `written` is what the client would have received."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = False
        self.reading = True
        self.changed = asyncio.Event()

    def write(self, data: Any) -> None:
        assert not self.closed, "written after the end"
        self.written += bytes(data)
        self.changed.set()

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True
        self.changed.set()

    abort = close

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True
        self.changed.set()


class Server:
    """Connections to one handler, by the `fast` path or by ASGI alone."""

    def __init__(self, handler: Handler, fast: bool) -> None:
        self.handler = handler
        self.state = ServerState()
        self.state.default_headers = DATE
        self._config = Config(InferenceApp(handler), http="httptools", ws="none", lifespan="off", log_config=None)
        self._config.load()
        self._make: Any = Front(handler) if fast else HttpToolsProtocol

    def protocol(self) -> Any:
        """One that waits for its transport."""
        return self._make(self._config, self.state, {})

    def connect(self) -> tuple[Any, Wire]:
        """A protocol and its transport."""
        wire = Wire()
        protocol = self.protocol()
        protocol.connection_made(wire)
        return protocol, wire

    async def talk(self, chunks: Iterable[bytes], wait: bool = False) -> tuple[bytes, bool]:
        """What a client gets that sends these chunks, and whether it was cut off; `wait`: answers between chunks."""
        protocol, wire = self.connect()
        for chunk in chunks:
            while not wire.closed and not wire.reading:
                await changed(wire)
            if wire.closed:
                break
            protocol.data_received(chunk)
            if wait:
                await answered(protocol, wire)
        await answered(protocol, wire)
        closed = wire.closed
        wire.closed = True
        protocol.connection_lost(None)
        return wire.written, closed


async def answered(protocol: Any, wire: Wire) -> None:
    """Until nothing waits for an answer on this connection."""
    while not wire.closed and not (
        (protocol.cycle is None or protocol.cycle.response_complete) and not protocol.pipeline
    ):
        await changed(wire)


async def changed(wire: Wire) -> None:
    """Until something is written, closed or read again."""
    wire.changed.clear()
    async with asyncio.timeout(10):
        await wire.changed.wait()
