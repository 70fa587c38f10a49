"""A request and an answer, free of any server framework, and the reasons to refuse a request."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

JSON = b"application/json"
PLAIN = (b"", b"identity")
"""Content-Encoding of a body that can be read as it is."""
OK, CLIENT_REJECTED, SCHEMA_REJECTED, SERVER_ERROR = "ok", "client_rejected", "schema_rejected", "server_error"


@dataclass(slots=True)
class Request:
    """What the handler needs of a request; `started` is time.perf_counter() at its head."""

    method: str
    path: str
    body: bytes
    started: float
    content_type: bytes = b""
    content_encoding: bytes = b""
    direct: bool = False
    """Sent to this revision by header, so not judged."""
    binary_header: bytes = b""
    """Inference-Header-Content-Length: so many bytes are JSON, tensors in binary follow it."""


@dataclass(slots=True)
class Answer:
    """Status, body and what goes beside content-type and content-length."""

    status: int
    body: bytes
    content_type: bytes = JSON
    headers: tuple[tuple[bytes, bytes], ...] = ()


Reply = Callable[[Answer], None]
"""Called once with the answer, from the event loop's thread."""


class Rejected(Exception):
    """A request that is not answered with predictions; `result` is its label in the metrics."""

    def __init__(self, status: int, message: str, result: str, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.result = result
        self.headers = headers

    def answer(self) -> Answer:
        return error(self.status, self.message, self.headers)


class BadRequest(Rejected):
    """The client sent what no version of the model could answer."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(status, message, CLIENT_REJECTED)


class BadSchema(Rejected):
    """The request is well formed, and does not fit this version's columns: another version might have taken it."""

    def __init__(self, message: str) -> None:
        super().__init__(400, message, SCHEMA_REJECTED)


class Overloaded(Rejected):
    """More is waiting than the server could answer in time."""

    def __init__(self, message: str = "too many requests are waiting; try again") -> None:
        super().__init__(503, message, SERVER_ERROR, ((b"retry-after", b"1"),))


class IncomingBodies:
    """Bytes of the bodies that are coming in on all connections; who brings too many is told to try again."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0

    def add(self, count: int) -> None:
        """Count bytes that are held. Raises Overloaded, and has counted them all the same."""
        self._bytes += count
        if self._bytes > self._max_bytes:
            raise Overloaded("too many large bodies are coming in; try again")

    def remove(self, count: int) -> None:
        self._bytes -= count


def json_answer(value: Any, status: int = 200) -> Answer:
    """Raises TypeError for what JSON cannot hold."""
    return Answer(status, orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY))


def error(status: int, message: str, headers: tuple[tuple[bytes, bytes], ...] = ()) -> Answer:
    """`{"error": message}`, as the Open Inference Protocol words it."""
    return Answer(status, orjson.dumps({"error": message}), JSON, headers)


def parse_json(body: bytes) -> Any:
    """Raises BadRequest."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        if not body:
            raise BadRequest("the body is empty, expected JSON") from None
        hint = "; JSON has no NaN: send null for a missing value" if b"NaN" in body else ""
        raise BadRequest(f"the body is not JSON: {error}{hint}") from None


def inflate(body: bytes, encoding: bytes, max_bytes: int) -> bytes:
    """A gzip or deflate body as it was, never more than `max_bytes` of it. Raises BadRequest (400, 413, 415)."""
    if encoding not in (b"gzip", b"x-gzip", b"deflate"):
        named = encoding.decode("latin-1")[:50]
        raise BadRequest(f"Content-Encoding {named} is not supported: gzip, deflate or none", 415)
    reader = zlib.decompressobj(zlib.MAX_WBITS | 32)  # tells the heads of gzip and zlib by itself
    try:
        found = reader.decompress(body, max_bytes + 1)
    except zlib.error as error:
        raise BadRequest(f"the body is not {encoding.decode()}: {error}") from None
    if len(found) > max_bytes:
        raise BadRequest(f"the body is larger than {max_bytes} bytes when decompressed", 413)
    if not reader.eof or reader.unused_data:
        raise BadRequest(f"the {encoding.decode()} body is not complete, or something follows it")
    return found
