"""Heads of HTTP messages on the fast path: of requests, read once and known again; of answers, made once a second."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from http import HTTPStatus

from pintle.contract.metrics import HEADER_ROUTE, ROUTE_DIRECT
from pintle.serve.http import JSON, Answer, Request

ROUTE_HEADER = HEADER_ROUTE.encode()
DIRECT = ROUTE_DIRECT.encode()
BINARY_HEADER = b"inference-header-content-length"
END = b"\r\n\r\n"
MAX_KNOWN = 1_024
MAX_KNOWN_BYTES = 1_024
STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}

Headers = Sequence[tuple[bytes, bytes]]


def read_headers(request: Request, headers: Iterable[tuple[bytes, bytes]]) -> int | None:
    """Takes what the handler needs of the headers, names in lower case; the length that the head gives."""
    length = None
    for name, value in headers:
        if name == b"content-length":
            length = int(value)  # the HTTP parser has refused what is no number
        elif name == b"content-type":
            request.content_type = value
        elif name == b"content-encoding":
            request.content_encoding = value.strip().lower()
        elif name == ROUTE_HEADER:
            request.direct = value == DIRECT
        elif name == BINARY_HEADER:
            request.binary_header = value
    return length


class KnownHeads:
    """Request heads that the HTTP parser has read before, byte by byte the same: what it found in them.

    A client repeats its head, but for the length of the body. Only heads of whole requests that the fast path takes are
    learnt, so a known head needs no parser. Bounded: when it is full it begins anew.
    """

    def __init__(self) -> None:
        self._known: dict[bytes, tuple[Request, int]] = {}

    def learn(self, data: bytes, request: Request) -> None:
        """`data` began with the head of `request` and ended with its body."""
        length = len(request.body)
        end = len(data) - length
        if end > MAX_KNOWN_BYTES or data.find(END) + len(END) != end:
            return
        if len(self._known) >= MAX_KNOWN:
            self._known.clear()
        pattern = Request(
            request.method, request.path, b"", 0.0,
            request.content_type, request.content_encoding, request.direct, request.binary_header,
        )  # fmt: skip
        self._known[data[:end]] = pattern, length

    def find(self, data: bytes, started: float) -> Request | None:
        """The request that `data` is, whole and nothing besides; None where its head is not known."""
        end = data.find(END) + 4
        known = self._known.get(data[:end])
        if known is None or len(data) - end != known[1]:
            return None
        pattern = known[0]
        return Request(
            pattern.method, pattern.path, data[end:], started,
            pattern.content_type, pattern.content_encoding, pattern.direct, pattern.binary_header,
        )  # fmt: skip


class ResponseHeads:
    """Bytes of answers as uvicorn would write them; `default` are its own headers, a new list every second."""

    def __init__(self) -> None:
        self._default: Headers | None = None
        self._usual = b""

    def bytes_of(self, answer: Answer, default: Headers, closing: bool) -> bytes:
        """The whole answer."""
        if answer.status == 200 and answer.content_type is JSON and not answer.headers and not closing:
            if default is not self._default:
                self._default = default
                self._usual = b"%b%bcontent-type: %b\r\ncontent-length: " % (STATUS_LINES[200], _lines(default), JSON)
            return b"%b%d\r\n\r\n%b" % (self._usual, len(answer.body), answer.body)
        headers = [
            *default,
            (b"content-type", answer.content_type),
            (b"content-length", b"%d" % len(answer.body)),
            *answer.headers,
        ]
        if closing:
            headers.append((b"connection", b"close"))
        return b"%b%b\r\n%b" % (STATUS_LINES[answer.status], _lines(headers), answer.body)


def _lines(headers: Headers) -> bytes:
    return b"".join([b"%b: %b\r\n" % pair for pair in headers])
