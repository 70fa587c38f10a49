"""What the route of a deployment was at every moment: kubectl watches it while a test goes on."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from e2e.kubectl import Kubectl, patience
from e2e.tests.rolling import weights_of

ROLLOUT_ANNOTATION = "pintle.dev/rollout"


@dataclass(frozen=True)
class RouteState:
    """One state of the route: the record of the rollout beside the weights, and these as the gateway reads them."""

    record: dict[str, Any]
    weights: dict[str, int]

    @property
    def canary(self) -> str:
        """The revision on trial; empty when there is none."""
        return str(self.record.get("canary", ""))

    @property
    def share(self) -> int | None:
        """Percent of the canary; None when there is none."""
        return self.weights.get(self.canary) if self.canary else None

    @property
    def in_guard(self) -> bool:
        return bool(self.record.get("previous"))

    def refuses(self, revision: str) -> bool:
        return revision in (self.record.get("refused") or {})


@dataclass
class RouteWatch:
    """Context manager: every state of an HTTPRoute from now on, in order."""

    kube: Kubectl
    name: str
    states: list[RouteState] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._changed = threading.Condition()

    def __enter__(self) -> RouteWatch:
        words = ["get", "httproute", self.name, "--watch", "-o", "json"]
        command = ["kubectl", f"--kubeconfig={self.kube.kubeconfig}", f"--namespace={self.kube.namespace}", *words]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        self.until("seen", lambda state: True, 20)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(timeout=10)
        self._thread.join(timeout=10)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def until(self, what: str, met: Callable[[RouteState], bool], seconds: float = 120, after: int = 0) -> int:
        """Waits for a state of which this holds; returns its place in `states`. Those before `after` do not count."""

        def place() -> int | None:
            return next((after + index for index, state in enumerate(self.states[after:]) if met(state)), None)

        with self._changed:
            if not self._changed.wait_for(lambda: place() is not None, timeout=patience(seconds)):
                raise AssertionError(f"the route was not {what} within {seconds} s: {self.states[-3:]}")
            found = place()
        assert found is not None
        return found

    def _read(self) -> None:
        assert self._process.stdout is not None
        for text in objects_in(self._process.stdout):
            route = json.loads(text)
            record = json.loads((route["metadata"].get("annotations") or {}).get(ROLLOUT_ANNOTATION, "{}"))
            with self._changed:
                self.states.append(RouteState(record, weights_of(route)))
                self._changed.notify_all()


def objects_in(lines: Iterator[str] | Any) -> Iterator[str]:
    """JSON objects as kubectl prints them one after the other: each ends with a brace at the beginning of a line."""
    held: list[str] = []
    for line in lines:
        held.append(line)
        if line.rstrip("\n") == "}":
            yield "".join(held)
            held = []
