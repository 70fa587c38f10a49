"""Closed-loop load on loopback: wrk with a generated script, or a client of asyncio."""

from __future__ import annotations

import asyncio
import json
import select
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

SCRIPT = """
local requests, at = {}, 0
function init(args)
  local file = io.open("BODIES", "rb")
  local size = file:read("*n")
  while size do
    file:read(1)
    requests[#requests + 1] = wrk.format("POST", nil, nil, file:read(size))
    size = file:read("*n")
  end
  file:close()
end
HEADERS
function request()
  at = at % #requests + 1
  return requests[at]
end
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format('\\nRESULT {"requests":%d,"seconds":%f,"p50":%f,"p99":%f,"failed":%d}\\n', summary.requests,
    summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    e.connect + e.read + e.write + e.status + e.timeout))
end
"""


@dataclass(frozen=True)
class Load:
    """What is sent: each connection takes the next body as soon as it has an answer."""

    port: int
    path: str
    bodies: Sequence[bytes]
    connections: int
    headers: Mapping[str, str] = field(default_factory=dict)
    """Besides Content-Type."""


@dataclass(frozen=True)
class Result:
    """What came back; `failed` counts what was no 200."""

    requests: int
    per_second: float
    p50_ms: float
    p99_ms: float
    failed: int


def run(client: str, load: Load, seconds: float) -> Result:
    """One measurement by `wrk` or `asyncio`."""
    return _wrk(load, seconds) if client == "wrk" else asyncio.run(_Client(load, seconds).run())


def _wrk(load: Load, seconds: float) -> Result:
    with tempfile.TemporaryDirectory() as scratch:
        lines, script = Path(scratch) / "bodies", Path(scratch) / "load.lua"
        lines.write_bytes(b"".join(b"%d\n%b" % (len(body), body) for body in load.bodies))
        headers = {"Content-Type": "application/json", **load.headers}
        told = "\n".join(f'wrk.headers["{name}"] = "{value}"' for name, value in headers.items())
        script.write_text(SCRIPT.replace("BODIES", str(lines)).replace("HEADERS", told))
        url = f"http://127.0.0.1:{load.port}{load.path}"
        command = ["wrk", "-t1", f"-c{load.connections}", f"-d{max(1, round(seconds))}s", "-s", str(script), url]
        output = subprocess.run(command, capture_output=True, text=True, check=True, timeout=seconds + 30).stdout
    found = json.loads(next(line for line in output.splitlines() if line.startswith("RESULT")).removeprefix("RESULT"))
    count = found["requests"]
    return Result(count, count / found["seconds"], found["p50"], found["p99"], found["failed"])


class _Client:
    """Connections that write a request and wait for its answer, one after another."""

    def __init__(self, load: Load, seconds: float) -> None:
        self._requests = _requests(load)
        self._load = load
        self._until = time.perf_counter() + seconds
        self._seconds = seconds
        self._latencies: list[float] = []
        self._failed = 0
        self._next = 0

    async def run(self) -> Result:
        await asyncio.gather(*(self._connection() for _ in range(self._load.connections)))
        found = sorted(self._latencies)
        p50, p99 = (found[int(share * (len(found) - 1))] * 1e3 for share in (0.5, 0.99))
        return Result(len(found), len(found) / self._seconds, p50, p99, self._failed)

    async def _connection(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._load.port)
        while (begin := time.perf_counter()) < self._until:
            self._next = (self._next + 1) % len(self._requests)
            writer.write(self._requests[self._next])
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
            self._latencies.append(time.perf_counter() - begin)
            self._failed += not head.startswith(b"HTTP/1.1 200 ")
        writer.close()


def burst_p99(load: Load, seconds: float, every: float = 0.05) -> float:
    """p99 in milliseconds of requests that come all at once, one on each connection, again and again.

    Plain sockets: a client of asyncio takes longer for such a burst than the server.
    """
    opened = [socket.create_connection(("127.0.0.1", load.port), timeout=10) for _ in range(load.connections)]
    by_number = {connection.fileno(): connection for connection in opened}
    poll = select.poll()
    for number in by_number:
        poll.register(number, select.POLLIN)
    requests = _requests(load)
    latencies: list[float] = []
    begin = time.perf_counter()
    for burst in range(int(seconds / every)):
        time.sleep(max(0.0, begin + burst * every - time.perf_counter()))
        sent, got = {}, dict.fromkeys(by_number, b"")
        for index, (number, connection) in enumerate(by_number.items()):
            sent[number] = time.perf_counter()
            connection.sendall(requests[(burst * len(opened) + index) % len(requests)])
        while got:
            for number, _ in poll.poll(10_000):
                got[number] += by_number[number].recv(65_536)
                if _is_whole(got[number]):
                    latencies.append(time.perf_counter() - sent[number])
                    del got[number]
    for connection in opened:
        connection.close()
    return sorted(latencies)[int(0.99 * (len(latencies) - 1))] * 1e3


def _requests(load: Load) -> list[bytes]:
    """Whole requests with the bodies."""
    head = f"POST {load.path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: "
    return [b"%b%d\r\n\r\n%b" % (head.encode(), len(body), body) for body in load.bodies]


def _is_whole(answer: bytes) -> bool:
    """Whether the body is as long as the head says. Raises RuntimeError for what is no 200."""
    head, _, body = answer.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(f"a request failed: {answer[:100]!r}")
    return len(body) == int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
