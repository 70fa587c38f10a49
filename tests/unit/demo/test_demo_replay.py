"""The replay against a small HTTP server on the loopback interface."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from e2e.demo.replay import CONNECTIONS, FAILURES_IN_A_ROW, Question, replay


@contextmanager
def server(fail_every: int = 0) -> Iterator[tuple[str, list[Any]]]:
    """A stand-in for the gateway that answers each row's own `chance`; every nth request is refused."""
    seen: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            seen.append((self.headers["host"], body))
            bad = fail_every and len(seen) % fail_every == 0
            chance = body["rows"][0]["chance"]
            text = json.dumps({"version": "1", "predictions": [{"probabilities": {"0": 1 - chance, "1": chance}}]})
            self.send_response(503 if bad else 200)
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        listening.daemon_threads = True
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.server_address[1]}/delays/predict", seen
        finally:
            listening.shutdown()
            thread.join()


def asked(count: int) -> list[Question]:
    return [Question(date(2013, 6, 1), {"chance": index / count}, index % 2) for index in range(count)]


def test_every_flight_is_asked_once_and_each_answer_stays_with_its_flight() -> None:
    """All questions arrive, none twice; the chance that came back is that of the flight it is compared with."""
    notes: list[str] = []
    with server() as (url, seen):
        result = replay(url, asked(200), notes.append, host="models.example")
    assert result.sent == len(seen) == len(result.answers) == 200
    assert {host for host, _ in seen} == {"models.example"}
    assert all(answer.chance == answer.question.row["chance"] for answer in result.answers)
    assert "200 of 200 flights asked, 0 failed" in notes[-1]


def test_a_failed_request_is_counted_and_not_sent_again() -> None:
    """Every tenth answer is a 503: that many failures, no retry."""
    with server(fail_every=10) as (url, seen):
        result = replay(url, asked(100), lambda text: None)
    assert len(seen) == 100
    assert len(result.failures) == 10
    assert len(result.answers) == 90
    assert result.failures[0].startswith("ValueError: 503")


def test_a_dead_gateway_ends_the_replay() -> None:
    """Nothing listens: after some failures in a row on each connection the replay stops."""
    with server() as (url, _):
        pass
    result = replay(url, asked(10_000), lambda text: None)
    assert result.answers == []
    assert result.sent <= CONNECTIONS * FAILURES_IN_A_ROW
