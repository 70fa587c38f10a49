"""What clients do to the inference port by accident or by intent; through real sockets, so mostly on the fast path."""

from __future__ import annotations

import asyncio
import contextlib
import json
import select
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from tests.integration.test_server_process import resident_kib
from tests.unit.serve import artifacts
from tests.unit.serve.process import ServerProcess, value

BODY = json.dumps({"rows": [{"carrier": "AA", "hour": 3, "wind": 5.5}]}).encode()
REQUEST = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%b" % (len(BODY), BODY)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return artifacts.make_classifier(tmp_path_factory.mktemp("stress") / "model")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[ServerProcess]:
    """Patient for a second."""
    with ServerProcess(folder, PINTLE_REQUEST_SECONDS="1", PINTLE_CONNECTIONS="2100") as process:
        yield process.ready()


class Connection:
    """A raw connection to the inference port."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Status, headers in lower case, body."""
        async with asyncio.timeout(20):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
            headers = dict(line.split(": ", 1) for line in head[1:] if line)
            return int(head[0].split()[1]), headers, await self.reader.readexactly(int(headers["content-length"]))

    async def rest(self) -> bytes:
        """All that comes until the server closes."""
        async with asyncio.timeout(20):
            return await self.reader.read()


@contextlib.asynccontextmanager
async def connect(server: ServerProcess) -> AsyncIterator[Connection]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.wait_for("listening")["http"])
    try:
        yield Connection(reader, writer)
    finally:
        writer.close()


def refused(server: ServerProcess, reason: str) -> float:
    """Connections that were ended for that reason."""
    return value(server.metrics(), "model_connections_refused_total", reason=reason)


async def test_a_half_closed_socket_gets_its_answer(server: ServerProcess) -> None:
    """A client may say that it sends no more, and still be answered."""
    async with connect(server) as client:
        client.writer.write(REQUEST)
        client.writer.write_eof()
        assert (await client.answer())[0] == 200
        assert await client.rest() == b""


async def test_pipelined_requests_are_answered_in_their_order(server: ServerProcess) -> None:
    """Fifty in one piece, good and bad by turns, and a probe of health among them."""
    bad = REQUEST.replace(b"hour", b"huor")
    health = b"GET /v2/health/live HTTP/1.1\r\nhost: x\r\n\r\n"
    async with connect(server) as client:
        client.writer.write((REQUEST + bad + health) * 17)
        assert [(await client.answer())[0] for _ in range(51)] == [200, 400, 200] * 17


@pytest.mark.parametrize("sent", [b"", b"POST /pre", REQUEST[:60], REQUEST[:-5]], ids=["none", "line", "head", "body"])
async def test_a_client_that_stops_half_way_is_sent_away(server: ServerProcess, sent: bytes) -> None:
    """408 and closed, wherever it stops; one that has sent nothing is idle, and not waited for that soon."""
    async with connect(server) as client:
        client.writer.write(sent)
        before = refused(server, "slow_head")
        if sent:
            assert (await client.rest()).startswith(b"HTTP/1.1 408 ")
            assert refused(server, "slow_head") == before + (b"\r\n\r\n" not in sent), "after its head it is a request"
        else:
            client.writer.write(REQUEST)
            assert (await client.answer())[0] == 200


@pytest.mark.parametrize(
    ("sent", "status"),
    [(b"\x16\x03\x01 hello\r\n\r\n", 400), (b"POST /predict HTTP/1.1\r\nx: " + b"a" * 600_000, 431)],
    ids=["no HTTP", "head without end"],
)
async def test_what_is_no_request_is_refused(server: ServerProcess, sent: bytes, status: int) -> None:
    """An error in JSON, and the connection ends."""
    async with connect(server) as client:
        before = refused(server, "bad_head")
        client.writer.write(sent)
        found, headers, body = await client.answer()
        assert (found, headers["connection"]) == (status, "close")
        assert set(json.loads(body)) == {"error"}
    assert refused(server, "bad_head") == before + 1


async def test_a_body_of_100_mb_is_refused_and_not_held(server: ServerProcess) -> None:
    """413 at once; who sends it all the same costs no memory."""
    before = resident_kib(server)
    async with connect(server) as client:
        client.writer.write(b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 100000000\r\n\r\n")
        assert (await client.answer())[0] == 413
        for _ in range(100):
            client.writer.write(bytes(500_000))
            await client.writer.drain()
            assert resident_kib(server) - before < 16_000
        client.writer.transport.abort()


def test_a_client_that_reads_no_answers_is_cut_off(server: ServerProcess) -> None:
    """It may send what it likes: the server holds a bounded amount for it, and ends it after the time of a request."""
    before = resident_kib(server)
    rows = json.dumps({"columns": {"hour": [3] * 5_000}}).encode()
    request = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%b" % (len(rows), rows)
    with socket.create_connection(("127.0.0.1", server.wait_for("listening")["http"]), timeout=20) as client:
        client.sendall(request * 60)  # 40 MB of answers
        ended = select.poll()
        ended.register(client, select.POLLERR | select.POLLHUP)
        assert ended.poll(15_000), "nothing ended this connection"
    assert refused(server, "unread") == 1
    assert resident_kib(server) - before < 24_000
    assert httpx.post(server.url + "/predict", content=BODY).status_code == 200


async def test_2000_connections_at_once(server: ServerProcess) -> None:
    """All are answered; beyond PINTLE_CONNECTIONS a connection is told to try again; those that leave make room."""
    port = server.wait_for("listening")["http"]
    opened = [Connection(*await asyncio.open_connection("127.0.0.1", port)) for _ in range(2_000)]
    for client in opened:
        client.writer.write(REQUEST)
    found = await asyncio.gather(*(client.answer() for client in opened))
    statuses = [status for status, _, _ in found]
    assert statuses.count(200) + statuses.count(503) == 2_000, "503 where the queue was full"
    assert statuses.count(200) >= 1_024
    opened += [Connection(*await asyncio.open_connection("127.0.0.1", port)) for _ in range(150)]
    status, headers, _ = await opened[-1].answer()
    assert (status, headers["retry-after"]) == (503, "1")
    assert refused(server, "too_many") == 50
    for client in opened:
        client.writer.close()
    async with asyncio.timeout(10):
        while httpx.post(server.url + "/predict", content=BODY).status_code != 200:
            await asyncio.sleep(0.05)


async def test_a_full_queue_says_so_and_loses_nothing(folder: Path) -> None:
    """Every request gets 200, or 503 with Retry-After; the metrics know how many of each."""
    with ServerProcess(folder, PINTLE_QUEUE_REQUESTS="2", PINTLE_QUEUE_ROWS="1000000") as server:
        server.ready()
        rows = json.dumps({"columns": {"hour": [3] * 5_000}}).encode()
        request = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%b" % (len(rows), rows)

        async def client() -> list[int]:
            statuses = []
            async with connect(server) as connection:
                for _ in range(5):
                    connection.writer.write(request)
                    status, headers, _ = await connection.answer()
                    assert status == 200 or headers["retry-after"] == "1"
                    statuses.append(status)
            return statuses

        statuses = [status for found in await asyncio.gather(*(client() for _ in range(20))) for status in found]
        counted = server.metrics()
    assert set(statuses) == {200, 503}
    for status, result in ((200, "ok"), (503, "server_error")):
        assert value(counted, "model_requests_total", result=result, route="default") == statuses.count(status)


@pytest.mark.parametrize("chunked", [False, True])
async def test_large_bodies_that_come_in_together_are_bounded(folder: Path, chunked: bool) -> None:
    """Beyond PINTLE_INCOMING_BYTES 503 with Retry-After; when the others have left there is room again."""
    with ServerProcess(folder, PINTLE_INCOMING_BYTES="3000000") as server:
        server.ready()
        length = "transfer-encoding: chunked" if chunked else "content-length: 2000000"
        head = f"POST /predict HTTP/1.1\r\nhost: x\r\n{length}\r\n\r\n".encode()
        part = b"%x\r\n%b\r\n" % (1_900_000, bytes(1_900_000)) if chunked else bytes(1_900_000)
        async with connect(server) as first, connect(server) as second:
            first.writer.write(head + part)
            await first.writer.drain()
            second.writer.write(head + part)
            status, headers, _ = await _first_answer(first, second)
            assert (status, headers["retry-after"]) == (503, "1")
        async with connect(server) as client, asyncio.timeout(10):
            small = REQUEST.replace(b"content-length: %d" % len(BODY), b"content-length: %d" % (len(BODY) + 100_000))
            client.writer.write(small + b" " * 100_000)
            assert (await client.answer())[0] == 200


async def _first_answer(*clients: Connection) -> tuple[int, dict[str, str], bytes]:
    """Of whichever is answered first."""
    tasks = [asyncio.ensure_future(client.answer()) for client in clients]
    done, rest = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in rest:
        task.cancel()
    return done.pop().result()
