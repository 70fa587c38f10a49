"""Queries to Prometheus: what is sent, what is made of the answer, and what is said when there is none."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiohttp import web
from pintle.adapters import prometheus
from pintle.adapters.prometheus import Access, Prometheus
from pintle.ports.metrics import MetricsUnavailable, QueryRefused

from e2e.cluster.ports import free_ports

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
SERIES = {
    "metric": {"__name__": "model_requests_total", "namespace": "team", "revision": "0b98ee7c"},
    "values": [[1700000000.5, "3"], [1700000001.5, "NaN"], [1700000002.5, "7"]],
}


def success(kind: str, result: Any) -> dict[str, Any]:
    return {"status": "success", "data": {"resultType": kind, "result": result}}


class Server:
    """A stand-in for Prometheus: gives `answer` and keeps what it was asked."""

    def __init__(self) -> None:
        self.answer: Any = success("vector", [])
        self.status = 200
        self.asked: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.peers: set[Any] = set()
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append({"path": request.path, **(await request.post())})
        self.headers.append(dict(request.headers))
        self.peers.add(request.transport.get_extra_info("peername"))  # type: ignore[union-attr]
        if isinstance(self.answer, float):
            await asyncio.sleep(self.answer)
            return web.json_response(success("vector", []))
        if isinstance(self.answer, str):
            return web.Response(text=self.answer, status=self.status)
        return web.json_response(self.answer, status=self.status)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    served = Server()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", served.handle)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    (port,) = free_ports(1)
    await web.TCPSite(runner, "127.0.0.1", port).start()
    served.url = f"http://127.0.0.1:{port}"
    yield served
    await runner.cleanup()


@pytest.fixture
async def source(server: Server) -> AsyncIterator[Prometheus]:
    made = Prometheus(Access(server.url + "/prefix/"), timeout=0.5)
    yield made
    await made.close()


async def test_raw_samples_are_arrays(server: Server, source: Prometheus) -> None:
    """The name is apart from the labels; times are seconds; what is no number is NaN."""
    server.answer = success("matrix", [SERIES])
    (series,) = await source.raw('{revision="0b98ee7c"}', 2.5, 1700000003)
    assert series.metric == "model_requests_total"
    assert dict(series.labels) == {"namespace": "team", "revision": "0b98ee7c"}
    assert series.times.tolist() == [1700000000.5, 1700000001.5, 1700000002.5]
    np.testing.assert_array_equal(series.values, [3, np.nan, 7])
    assert server.asked[0]["path"] == "/prefix/api/v1/query"
    assert server.asked[0]["query"] == '{revision="0b98ee7c"}[2500ms]'
    assert server.asked[0]["time"] == "1700000003.000"


async def test_many_samples_are_read_as_few_are(
    server: Server, source: Prometheus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside the event loop, to the same arrays."""
    server.answer = success("matrix", [SERIES])
    (few,) = await source.raw("{}", 2.5, 3.0)
    monkeypatch.setattr(prometheus, "_MANY_SAMPLES", 0)
    (many,) = await source.raw("{}", 2.5, 3.0)
    assert (many.metric, many.labels) == (few.metric, few.labels)
    np.testing.assert_array_equal(many.values, few.values)


async def test_values_of_now(server: Server, source: Prometheus) -> None:
    """A vector gives a sample per series, a scalar gives one without labels; no time means now."""
    server.answer = success("vector", [{"metric": {"a": "b"}, "value": [17.5, "0.25"]}])
    (sample,) = await source.instant("up", limit=2)
    assert (dict(sample.labels), sample.value, sample.time) == ({"a": "b"}, 0.25, 17.5)
    assert "time" not in server.asked[0]
    assert server.asked[0]["limit"] == "2"
    server.answer = success("scalar", [17.5, "3"])
    (sample,) = await source.instant("3", 17.5)
    assert (dict(sample.labels), sample.value) == ({}, 3.0)


async def test_connections_are_kept(server: Server, source: Prometheus) -> None:
    """Two looks a second must not open two connections a second."""
    for _ in range(5):
        await source.instant("up")
    assert len(server.peers) == 1


@pytest.mark.parametrize(
    ("status", "answer", "kind", "message"),
    [
        (
            400,
            {"status": "error", "errorType": "bad_data", "error": "parse  error"},
            QueryRefused,
            "refuses.*parse error",
        ),
        (422, {"status": "error", "error": "too many samples"}, QueryRefused, "too many samples"),
        (503, {"status": "error", "error": "starting"}, MetricsUnavailable, r"answers 503 \(starting\); check its log"),
        (401, "who are you", MetricsUnavailable, "does not let the operator in .401.; check the Secret"),
        (404, "no such page", MetricsUnavailable, "is no Prometheus API .404.; check prometheus.url"),
        (302, "", MetricsUnavailable, "is no Prometheus API .302."),
        (200, "<html>", MetricsUnavailable, "is no Prometheus API .200."),
        (200, success("matrix", []), QueryRefused, "gives a matrix, not a vector"),
    ],
)
async def test_what_is_no_answer_says_what_to_check(
    server: Server, source: Prometheus, status: int, answer: Any, kind: type[MetricsUnavailable], message: str
) -> None:
    """A query that is wrong is told apart from a Prometheus that is wrong."""
    server.status, server.answer = status, answer
    with pytest.raises(MetricsUnavailable, match=message) as caught:
        await source.instant("up")
    assert type(caught.value) is kind


async def test_a_slow_answer_is_none(server: Server, source: Prometheus) -> None:
    """After the time-out the operator goes on without it."""
    server.answer = 2.0
    with pytest.raises(MetricsUnavailable, match=r"gave no answer within 0\.5 s"):
        await source.instant("up")


async def test_an_answer_without_end_is_not_read_to_its_end(server: Server) -> None:
    """Nor does it fill the operator's memory."""
    read: list[int] = []
    bounded = Prometheus(Access(server.url), max_bytes=1000, on_bytes=read.append)
    await bounded.instant("up")
    server.answer = success("vector", [{"metric": {"a": "b" * 100}, "value": [1, "2"]}] * 50)
    with pytest.raises(QueryRefused, match="larger than"):
        await bounded.instant("up")
    await bounded.close()
    assert len(read) == 1


async def test_nobody_there_is_said_without_a_password() -> None:
    """The address stands in a condition, what is secret in it does not."""
    (port,) = free_ports(1)
    source = Prometheus(Access(f"http://ann:secret@127.0.0.1:{port}"))
    with pytest.raises(MetricsUnavailable) as caught:
        await source.instant("up")
    await source.close()
    assert f"http://127.0.0.1:{port} cannot be reached (connection refused)" in caught.value.message
    assert "secret" not in caught.value.message


async def test_a_name_that_leads_nowhere_is_told_as_that() -> None:
    """`.invalid` is never resolved."""
    source = Prometheus(Access("http://prometheus.invalid:9090"))
    with pytest.raises(MetricsUnavailable, match="its name is not known"):
        await source.instant("up")
    await source.close()


async def test_a_token_that_is_rotated_is_read_again(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From its file, every half minute; never at each look."""
    token = tmp_path / "token"
    token.write_text("first\n")
    source = Prometheus(Access(server.url, token_file=token))
    await source.instant("up")
    token.write_text("second\n")
    await source.instant("up")
    monkeypatch.setattr(prometheus, "SECRET_SECONDS", -1.0)
    await source.instant("up")
    await source.close()
    assert [sent["Authorization"] for sent in server.headers] == ["Bearer first", "Bearer first", "Bearer second"]


async def test_a_password_is_sent_as_basic_auth(server: Server, tmp_path: Path) -> None:
    """`user:password` out of one file."""
    file = tmp_path / "auth"
    file.write_text("ann:secret\n")
    source = Prometheus(Access(server.url, basic_auth_file=file))
    await source.instant("up")
    await source.close()
    assert server.headers[0]["Authorization"] == "Basic " + base64.b64encode(b"ann:secret").decode()


async def test_a_token_that_is_missing_is_named(server: Server, tmp_path: Path) -> None:
    """The path of the file, so that the mount can be mended."""
    source = Prometheus(Access(server.url, token_file=tmp_path / "token"))
    with pytest.raises(MetricsUnavailable, match=r"No such file or directory: .*token"):
        await source.instant("up")
    await source.close()
    assert server.asked == []
