"""The requests before the first client's."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from pintle.contract.manifest import Example
from pintle.serve import rehearsal
from pintle.serve.artifact import open_artifact
from pintle.serve.handler import Handler
from pintle.serve.metrics import Metrics
from pintle.serve.models import load_model
from pintle.serve.rehearsal import REQUESTS, rehearse
from pintle.serve.settings import Identity, Settings

from tests.unit.serve.process import samples, value
from tests.unit.serve.wire import Server

IDENTITY = Identity("late", "0a1b2c3d", "delays", "3")


class Replying(asyncio.Protocol):
    """Answers whatever comes with the same bytes, and then ends the connection."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        assert isinstance(self._transport, asyncio.WriteTransport)
        self._transport.write(self._answer)
        self._transport.close()


def warnings(capsys: pytest.CaptureFixture[str]) -> int:
    return capsys.readouterr().out.count("rehearsal ended early")


@pytest.mark.parametrize("fast", [True, False], ids=["fast", "asgi"])
async def test_every_request_is_answered(
    classifier: Path, fast: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of them are requests that a client could send, on the way that its own will take."""
    monkeypatch.setattr(rehearsal, "ENOUGH_SECONDS", 60.0)
    artifact = open_artifact(classifier)
    handler = Handler(Settings(identity=IDENTITY), Metrics(IDENTITY))
    handler.serve(artifact, load_model(artifact))
    server = Server(handler, fast)
    await rehearse(server.protocol, artifact.example)
    handler.close()
    counted = samples(handler.metrics.render().decode())
    assert value(counted, "model_requests_total", result="ok", route="default") == REQUESTS
    assert warnings(capsys) == 0


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 500 no\r\ncontent-length: 2\r\n\r\nno",
        b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\ncut",
        b"x" * 100_000,
        b"HTTP/1.1 200 OK\r\n\r\n",
    ],
    ids=["none", "error", "cut", "long", "without length"],
)
async def test_what_goes_wrong_is_told_and_ends_it(answer: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    """The server becomes ready all the same, and its log says what happened."""
    await asyncio.wait_for(rehearse(lambda: Replying(answer), Example(({"x": 1.0},), (0.5,))), 10)
    assert warnings(capsys) == 1
