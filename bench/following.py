"""The deployments of a namespace by one watch and one proxy: a bench takes nothing from what it measures."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pintle.contract.names import ANNOTATION_ACTION

from bench.words import Words
from e2e.kubectl import Kubectl, patience
from e2e.tests.rolling import Rolling
from e2e.tests.routes import objects_in

Obj = dict[str, Any]


class Statuses:
    """Context manager: the newest status of each ModelDeployment of a namespace."""

    def __init__(self, kube: Kubectl) -> None:
        words = ["get", "mdep", "--watch", "-o", "json"]
        self._command = ["kubectl", f"--kubeconfig={kube.kubeconfig}", f"--namespace={kube.namespace}", *words]
        self._found: dict[str, Obj] = {}
        self._changed = threading.Condition()
        self._ended = False

    def __enter__(self) -> Statuses:
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(timeout=10)
        self._thread.join(timeout=10)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def of(self, name: str) -> Obj:
        return self._found.get(name, {})

    def until(self, name: str, met: Callable[[Obj], bool], seconds: float) -> bool:
        """Whether it became true in time. RuntimeError when the watch has ended."""
        with self._changed:
            held = self._changed.wait_for(lambda: self._ended or met(self.of(name)), timeout=seconds)
            if self._ended:
                raise RuntimeError("kubectl get --watch has ended: nothing is seen any more")
            return held

    def _read(self) -> None:
        assert self._process.stdout is not None
        for text in objects_in(self._process.stdout):
            found = json.loads(text)
            with self._changed:
                self._found[found["metadata"]["name"]] = dict(found.get("status", {}))
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()


@dataclass(frozen=True)
class Followed(Rolling):
    """A deployment that is looked at through the watch, and spoken to through the proxy."""

    statuses: Statuses | None = None
    words: Words | None = None

    def status(self) -> Obj:
        return super().status() if self.statuses is None else self.statuses.of(self.name)

    def until(self, what: str, met: Callable[[Obj], bool], seconds: float = 120) -> Obj:
        if self.statuses is None:
            return super().until(what, met, seconds)
        if not self.statuses.until(self.name, met, patience(seconds)):
            raise AssertionError(f"{self.name}: not {what} after {seconds} s: {json.dumps(self.status(), indent=1)}")
        return self.status()

    def annotate(self, word: str) -> None:
        if self.words is None:
            super().annotate(word)
        else:
            self.words.annotate(self.name, {ANNOTATION_ACTION: word})
