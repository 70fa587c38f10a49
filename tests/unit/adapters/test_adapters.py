"""What the API server answers, in our words; the real clock and back-off."""

from __future__ import annotations

import asyncio
import json

import pytest
from kubernetes.aio.client.exceptions import ApiException
from pintle.adapters.clock import ExponentialBackoff, SystemClock
from pintle.adapters.kubernetes import _translated
from pintle.ports import kinds
from pintle.ports.cluster import ClusterError, Conflict, NotFound, Refused, Unavailable


def answered(status: int, **body: object) -> ClusterError:
    error = ApiException(status=status, reason="Words", body=json.dumps(body) if body else "upstream broke")
    return _translated(error)


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        (404, NotFound),
        (409, Conflict),
        (400, Refused),
        (403, Refused),
        (422, Refused),
        (401, Unavailable),
        (410, Unavailable),
        (429, Unavailable),
        (500, Unavailable),
        (503, Unavailable),
    ],
)
def test_each_status_means_one_thing(status: int, meaning: type[ClusterError]) -> None:
    """What will be refused again is told apart from what is worth another try."""
    error = answered(status, message="said so", reason="Why")
    assert type(error) is meaning
    assert (error.message, error.reason, error.status) == ("said so", "Why", status)


def test_an_answer_that_is_not_from_the_api_server_is_readable() -> None:
    """A proxy in between answers with its own page."""
    assert answered(503).message == "503 Words"


def test_backoff_doubles_and_is_bounded() -> None:
    """Between half of the delay and all of it, never above the longest."""
    backoff = ExponentialBackoff(first=1.0, longest=60.0)
    for failures, delay in ((1, 1.0), (2, 2.0), (5, 16.0), (7, 60.0), (2000, 60.0)):
        assert all(delay / 2 <= backoff(failures) <= delay for _ in range(20))


async def test_a_wait_ends_by_the_event_or_by_the_time() -> None:
    """True for the event, False for the time."""
    clock, event = SystemClock(), asyncio.Event()
    assert not await clock.wait(event, 0.001)
    event.set()
    assert await clock.wait(event, 10)
    assert await clock.wait(event, None)


def test_paths_of_the_api() -> None:
    """Core and other groups, in a namespace and in all, with a subresource."""
    assert kinds.POD.path() == "/api/v1/pods"
    assert kinds.ROUTE.path("team", "web") == "/apis/gateway.networking.k8s.io/v1/namespaces/team/httproutes/web"
    assert kinds.MODEL_VERSION.path("team", "v", "status").endswith("/namespaces/team/modelversions/v/status")
