"""One real API server for a session, with Pintle's and the Gateway API's CRDs; a namespace for each test.

    def test_something(space: Space) -> None:
        space.create(training_job("delays"))
        space.kubectl("get", "tj")

`api_server` is the server itself, `rest` a client as administrator. Who needs another one (audit log, garbage
collector, restart) starts it: `with kube.serving(gateway=True, audit=True) as (server, rest): ...`.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from e2e.cluster.apiserver import ApiServer
from tests.integration.kube import Rest, Space, serving


@pytest.fixture(scope="session")
def _served() -> Iterator[tuple[ApiServer, Rest]]:
    with serving(gateway=True) as pair:
        yield pair


@pytest.fixture(scope="session")
def api_server(_served: tuple[ApiServer, Rest]) -> ApiServer:
    """A real API server with the CRDs; no controllers, no nodes."""
    return _served[0]


@pytest.fixture(scope="session")
def rest(_served: tuple[ApiServer, Rest]) -> Rest:
    """A client as administrator."""
    return _served[1]


@pytest.fixture
def space(api_server: ApiServer, rest: Rest) -> Space:
    """A fresh namespace. It is not removed: the server goes at the end of the session."""
    name = f"t-{uuid.uuid4().hex[:8]}"
    rest.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    return Space(api_server, rest, name)
