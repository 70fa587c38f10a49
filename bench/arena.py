"""Ground for the benches of the loop: a namespace with hand-made versions and deployments under load."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.following import Followed, Statuses
from bench.words import Words
from e2e.cluster.access import access
from e2e.images import runner_image
from e2e.kubectl import Kubectl
from e2e.tests.conftest import World
from e2e.tests.rolling import Rolling
from e2e.tests.versions import Made, load_versions

Obj = dict[str, Any]


@contextmanager
def namespace(kubeconfig: str, prefix: str) -> Iterator[Kubectl]:
    """A namespace of this bench."""
    name = f"bench-{prefix}-{secrets.token_hex(3)}"
    admin = Kubectl(kubeconfig)
    admin.run("create", "namespace", name)
    try:
        yield Kubectl(kubeconfig, name)
    finally:
        admin.run("delete", "namespace", name, "--wait=false")


@contextmanager
def arena(prefix: str, versions: Sequence[Made], deployments: int, **spec: Any) -> Iterator[list[Followed]]:
    """`deployments` ModelDeployments of one model that serve the first version; `spec` as in Rolling.apply."""
    doors = access()
    world = World(doors.kubeconfig, doors.gateway, doors.prometheus)
    with namespace(doors.kubeconfig, prefix) as kube, Statuses(kube) as statuses, Words(kube) as words:
        load_versions(kube, runner_image(), versions)
        found = [Followed(kube, world, f"d{number}", statuses, words) for number in range(deployments)]
        for rolling in found:
            rolling.apply(versions[0].version, **spec)
        for rolling in found:
            rolling.serve(versions[0].version, **spec)
        yield found


class Checkpoint:
    """Samples as JSON lines in a file, so that a bench that was stopped goes on where it was. No file: memory only."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self.samples: list[Obj] = []
        if path and path.exists():
            self.samples = [json.loads(line) for line in path.read_text().splitlines() if line.strip()]

    def add(self, sample: Obj) -> None:
        self.samples.append(sample)
        if self._path:
            with self._path.open("a") as out:
                out.write(json.dumps(sample) + "\n")


def settled(rolling: Rolling, revision: str, seconds: float = 60) -> float:
    """Waits until the route gives everything to one revision; returns when that was seen, in unix seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if {name for name, weight in rolling.weights().items() if weight} == {revision}:
            return time.time()
        time.sleep(0.1)
    raise TimeoutError(f"{rolling.name}: not all on {revision} after {seconds} s: {rolling.weights()}")
