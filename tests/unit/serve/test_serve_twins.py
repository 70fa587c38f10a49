"""The fast path and ASGI are twins: whatever a client sends, it gets the same bytes from both."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from hypothesis import HealthCheck, given
from hypothesis import settings as example_settings
from hypothesis import strategies as st
from pintle.serve.artifact import open_artifact
from pintle.serve.fast import Front
from pintle.serve.handler import Handler
from pintle.serve.metrics import Metrics
from pintle.serve.models import load_model
from pintle.serve.server import ServerProcess
from pintle.serve.settings import Settings

from tests.unit.serve.test_serve_handler import IDENTITY, INFER, bodies
from tests.unit.serve.wire import Server

LIMITS: dict[str, Any] = {"max_body_bytes": 600, "max_rows": 3, "cohort_seconds": 10**9}
GOOD = [{"hour": 3, "carrier": "AA", "wind": 2.5, "gusts": True}, {"hour": 4}, {"wind": None, "hour": 1e300}]


def twin(folder: Path, fast: bool) -> Server:
    handler = Handler(Settings(identity=IDENTITY, **LIMITS), Metrics(IDENTITY))
    artifact = open_artifact(folder)
    handler.serve(artifact, load_model(artifact))
    return Server(handler, fast)


@pytest.fixture
async def twins(classifier: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Server, Server]]:
    """Two servers that give the same tokens."""
    monkeypatch.setattr("secrets.randbits", lambda bits: 7)
    found = twin(classifier, True), twin(classifier, False)
    yield found
    for server in found:
        server.handler.close()


good_bodies = st.lists(st.sampled_from(GOOD), min_size=1, max_size=4).map(
    lambda rows: json.dumps({"rows": rows}).encode()
)
good_tensors = st.lists(st.integers(0, 23), min_size=1, max_size=4).map(
    lambda data: json.dumps(
        {"id": "x", "inputs": [{"name": "hour", "shape": [len(data)], "datatype": "INT64", "data": data}]}
    ).encode()
)
headers = st.lists(
    st.sampled_from(
        [
            "Content-Type: application/json",
            "content-type: text/csv",
            "content-type: application/json; charset=utf-8",
            "pintle-route: direct",
            "PINTLE-ROUTE: other",
            "content-encoding: gzip",
            "content-encoding: identity",
            "inference-header-content-length: 12",
            "inference-header-content-length: x",
            "connection: close",
            "connection: keep-alive",
            "expect: 100-continue",
            "x-request-id: 5f2c",
            "cookie: a=b; c=d",
        ]
    ),
    max_size=3,
    unique=True,
)
BINARY = (
    b'{"inputs":[{"name":"hour","shape":[2],"datatype":"INT64","parameters":{"binary_data_size":16}}],'
    b'"parameters":{"binary_data_output":true}}',
    bytes(16),
)
PATHS = ["/predict", INFER, "/v2/models/delays/versions/3/infer", "/predict?x=1", "/%70redict", "/v2", "/nowhere"]


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """One request as bytes, complete."""
    method = draw(st.sampled_from(["POST"] * 6 + ["GET", "HEAD", "PUT"]))
    path = draw(st.sampled_from(PATHS[:2] * 4 + PATHS))
    version = draw(st.sampled_from(["1.1"] * 8 + ["1.0"]))
    body = draw(good_bodies | good_tensors | bodies)
    lines = [f"{method} {path} HTTP/{version}", "host: x", *draw(headers)]
    if draw(st.integers(0, 5)) == 0:
        lines = [f"{method} {INFER} HTTP/{version}", f"inference-header-content-length: {len(BINARY[0])}", "host: x"]
        body = b"".join(BINARY)
    if draw(st.integers(0, 9)) == 0:
        lines.append("transfer-encoding: chunked")
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"
    else:
        lines.append(f"content-length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@st.composite
def streams(draw: st.DrawFn) -> list[bytes]:
    """Requests one after another, cut anywhere."""
    whole = b"".join(draw(st.lists(requests(), min_size=1, max_size=4)))
    cuts = sorted(draw(st.lists(st.integers(1, len(whole) - 1), max_size=4)))
    return [whole[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(whole)], strict=True) if start < stop]


@pytest.mark.slow
@given(st.lists(requests(), min_size=1, max_size=4))
@example_settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_one_request_after_another_gets_the_same_bytes(twins: tuple[Server, Server], found: list[bytes]) -> None:
    """Head, body and whether the connection stays open; each request twice: its head is known the second time."""
    sent = [request for request in found for _ in range(2)]
    fast, asgi = [await server.talk(sent, wait=True) for server in twins]
    assert fast == asgi


@pytest.mark.slow
@given(streams())
@example_settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_requests_cut_and_joined_anyhow_get_the_same_bytes(
    twins: tuple[Server, Server], found: list[bytes]
) -> None:
    """Pipelined requests are answered in their order, and it does not matter where the network cuts them."""
    fast, asgi = [await server.talk(found) for server in twins]
    assert fast == asgi


async def test_both_count_alike(twins: tuple[Server, Server]) -> None:
    """Results, rows and bins of the same requests are the same."""
    good = json.dumps({"rows": GOOD}).encode()
    for body, route in ((good, ""), (good, "pintle-route: direct\r\n"), (b"{", ""), (b'{"rows": [{"hour": "x"}]}', "")):
        request = f"POST /predict HTTP/1.1\r\n{route}content-length: {len(body)}\r\n\r\n".encode() + body
        for server in twins:
            await server.talk([request, request], wait=True)
    found = []
    for server in twins:
        assert server.handler.monitor is not None
        server.handler.monitor.flush()
        lines = server.handler.metrics.render().decode().splitlines()
        found.append([line for line in lines if "duration" not in line])
    assert found[0] == found[1]
    assert any(line.startswith("model_requests_total") and line.endswith(" 2") for line in found[0])


async def test_usual_requests_take_the_fast_path(twins: tuple[Server, Server]) -> None:
    """Without this the tests above would compare ASGI with itself: no ASGI task, and the head is known at once."""
    server = twins[0]
    body = json.dumps({"rows": GOOD}).encode()
    request = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
    protocol, wire = server.connect()
    protocol._start_asgi_task = None  # would be called
    for at in (20, 60, len(request)):
        protocol.data_received(request[:at])
        protocol.data_received(request[at:]) if at < len(request) else None
        while protocol.cycle is None or not protocol.cycle.response_complete:
            wire.changed.clear()
            await wire.changed.wait()
    assert wire.written.count(b"HTTP/1.1 200 OK") == 3
    protocol.parser = None  # would be used
    protocol.data_received(request)
    while wire.written.count(b"HTTP/1.1 200 OK") < 4:
        wire.changed.clear()
        await wire.changed.wait()


@pytest.mark.parametrize(("version", "is_fast"), [(uvicorn.__version__, True), ("0.55.0", False)])
async def test_another_uvicorn_is_served_by_asgi_alone(
    monkeypatch: pytest.MonkeyPatch, version: str, is_fast: bool
) -> None:
    """The fast path knows the inside of one version; with any other the server works as it did without it."""
    monkeypatch.setattr("uvicorn.__version__", version)
    server = ServerProcess(Settings(identity=IDENTITY))
    assert isinstance(server._inference.config.http, Front) is is_fast
    assert is_fast or server._inference.config.http == "httptools"
