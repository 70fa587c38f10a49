"""A few requests through a copy of the server before it is ready: the first client pays for nothing that waits for it.

The copy counts into metrics of its own, which nobody scrapes. Its connection is a pair of sockets, so no port is open.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
import time
from collections.abc import Callable

import orjson

from pintle.contract.manifest import Example
from pintle.serve.report import log

REQUESTS = 30
"""Enough for code that the interpreter specialises on its first calls, and for all that is made on first use."""
ENOUGH_SECONDS = 0.5
"""No further request after it: what a slow model's first client waits for is the model."""


async def rehearse(connection: Callable[[], asyncio.Protocol], example: Example) -> None:
    """Asks for predictions of the example's rows, one by one; `connection` makes the server's end.

    A rehearsal proves nothing (`warmup.prove` does): what goes wrong is logged, and the server becomes ready. Each
    request is answered in the time that the copy's settings allow, by an error if need be.
    """
    enough = time.perf_counter() + ENOUGH_SECONDS
    here, there = socket.socketpair()
    for end in (here, there):
        end.setblocking(False)
    transport, _ = await asyncio.get_running_loop().connect_accepted_socket(connection, here)
    reader, writer = await asyncio.open_connection(sock=there)
    try:
        for row in itertools.islice(itertools.cycle(example.rows), REQUESTS):
            if time.perf_counter() > enough:
                break
            writer.write(_request(row))
            await _answer(reader)
    except (OSError, EOFError, ValueError, asyncio.LimitOverrunError) as fault:
        log("rehearsal ended early", "warning", error=repr(fault)[:500])
    finally:
        transport.close()
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def _request(row: object) -> bytes:
    body = orjson.dumps({"rows": [row]})
    head = b"POST /predict HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    return head % len(body) + body


async def _answer(reader: asyncio.StreamReader) -> None:
    """Raises ValueError for an answer other than 200 with a body, EOFError where the connection ends."""
    status, *lines = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
    length = sum(int(line[15:]) for line in lines if line.lower().startswith(b"content-length:"))
    body = await reader.readexactly(length)
    if status.split()[1:2] != [b"200"] or not body:
        raise ValueError(f"{status.decode()}: {body[:200].decode()}")
