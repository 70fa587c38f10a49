"""Fixtures of the end-to-end tests: a namespace of one's own on the real cluster, and the ways into it."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
import pytest

from e2e import images
from e2e.cluster.access import access
from e2e.kubectl import Kubectl

RUN_ID = os.environ.get("PINTLE_RUN_ID") or os.environ.get("PYTEST_XDIST_TESTRUNUID") or secrets.token_hex(4)
RUN_LABEL = "pintle-e2e/run"


DISTURBS = "disturbs"
"""Marks tests that take the operator or Prometheus away from everybody: they run one by one, after the others."""


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", f"{DISTURBS}: takes operator or Prometheus away from all other tests")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Beside others, tests that disturb would fail these and not themselves."""
    if os.environ.get("PYTEST_XDIST_WORKER"):
        alone = pytest.mark.skip(reason=f"disturbs the tests beside it: run it by itself, pytest -m {DISTURBS}")
        for item in items:
            if item.get_closest_marker(DISTURBS):
                item.add_marker(alone)


@dataclass(frozen=True)
class World:
    """Where the cluster's doors are."""

    kubeconfig: str
    gateway: str
    prometheus: str


@pytest.fixture(scope="session")
def world() -> World:
    """The cluster that `make cluster` brought up, with Pintle installed."""
    doors = access()
    return World(kubeconfig=doors.kubeconfig, gateway=doors.gateway, prometheus=doors.prometheus)


@contextmanager
def fresh_namespace(world: World, about: str) -> Iterator[Kubectl]:
    """kubectl in a fresh namespace that enforces Pod Security "restricted"; removed afterwards."""
    name = f"e2e-{about[:30].lower().replace('_', '-').strip('-')}-{secrets.token_hex(2)}"
    admin = Kubectl(world.kubeconfig)
    labels = {RUN_LABEL: RUN_ID, "pod-security.kubernetes.io/enforce": "restricted"}
    admin.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    try:
        yield Kubectl(world.kubeconfig, name)
    finally:
        admin.run("delete", "namespace", name, "--wait=false")


@pytest.fixture
def kube(world: World, request: pytest.FixtureRequest) -> Iterator[Kubectl]:
    """A namespace of the test's own."""
    with fresh_namespace(world, request.node.name[5:]) as made:
        yield made


@pytest.fixture
def other_kube(world: World, request: pytest.FixtureRequest) -> Iterator[Kubectl]:
    """A second one, of another team."""
    with fresh_namespace(world, f"other-{request.node.name[5:]}") as made:
        yield made


@pytest.fixture(scope="session")
def runner_image() -> str:
    """The runner image as it is on the cluster."""
    return images.runner_image()


@pytest.fixture(scope="session")
def http() -> Iterator[httpx.Client]:
    """An HTTP client for the gateway and Prometheus."""
    with httpx.Client(timeout=5) as client:
        yield client
