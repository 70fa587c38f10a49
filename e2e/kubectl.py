"""kubectl as a Python object: what a user would type, with the answers as dicts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SOURCES = Path(__file__).parent.parent / "operator"


class KubectlError(RuntimeError):
    """kubectl ended with an error; the text is its own."""


LEAST_PATIENCE = 20.0


def patience(seconds: float) -> float:
    """How long to wait for what comes within `seconds` on any machine: `make guards`, whose tests fail, shortens it."""
    factor = float(os.environ.get("PINTLE_E2E_PATIENCE", "1"))
    return max(min(seconds, LEAST_PATIENCE), seconds * factor)


@dataclass(frozen=True)
class Kubectl:
    """kubectl against one cluster and one namespace."""

    kubeconfig: str
    namespace: str = "default"

    def run(self, *words: str, stdin: str | None = None, timeout: float = 120) -> str:
        """Standard output of `kubectl WORDS`. Raises KubectlError with kubectl's own message."""
        command = ["kubectl", f"--kubeconfig={self.kubeconfig}", f"--namespace={self.namespace}", *words]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=timeout, check=False)
        if done.returncode != 0:
            raise KubectlError(f"kubectl {' '.join(words)}: {done.stderr.strip()}")
        return done.stdout

    def apply(self, *objects: Mapping[str, Any], manager: str = "kubectl") -> str:
        """Server-side apply with strict validation, as a GitOps tool does."""
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
        return self.run(
            "apply", "--server-side", f"--field-manager={manager}", "--validate=strict", "-f", "-", stdin=text
        )

    def get(self, kind: str, name: str) -> dict[str, Any] | None:
        """The object, or None when there is none."""
        text = self.run("get", kind, name, "-o", "json", "--ignore-not-found")
        return json.loads(text) if text.strip() else None

    def list(self, kind: str, selector: str = "") -> list[dict[str, Any]]:
        """All objects of a kind in the namespace, by label selector."""
        words = ["get", kind, "-o", "json"] + ([f"--selector={selector}"] if selector else [])
        items: list[dict[str, Any]] = json.loads(self.run(*words))["items"]
        return items

    def wait(self, kind: str, name: str, condition: str, status: str = "True", timeout: float = 120) -> dict[str, Any]:
        """Waits until the condition has the status; returns the object. KubectlError says what it was instead."""
        return self._wait(kind, name, f"--for=condition={condition}={status}", timeout)

    def wait_reason(self, kind: str, name: str, condition: str, reason: str, timeout: float = 120) -> dict[str, Any]:
        """Waits until the condition has the reason; returns the object."""
        path = f'{{.status.conditions[?(@.type=="{condition}")].reason}}'
        return self._wait(kind, name, f"--for=jsonpath={path}={reason}", timeout)

    def wait_gone(self, kind: str, selector: str, timeout: float = 120) -> None:
        """Waits until nothing of this kind has the label."""
        limit = patience(timeout)
        if self.list(kind, selector):
            words = ("wait", kind, f"--selector={selector}", "--for=delete", f"--timeout={limit:.0f}s")
            self.run(*words, timeout=limit + 10)

    def plugin(self, *words: str, timeout: float = 120) -> str:
        """Standard output of `kubectl pintle WORDS`, of this tree. Raises KubectlError with its message."""
        command = [sys.executable, "-m", "pintle.cli", *words, "-n", self.namespace]
        env = {**os.environ, "KUBECONFIG": self.kubeconfig, "NO_COLOR": "1", "PYTHONPATH": str(SOURCES)}
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False, env=env)
        if done.returncode != 0:
            raise KubectlError(f"kubectl pintle {' '.join(words)}: {done.stderr.strip()}")
        return done.stdout

    def _wait(self, kind: str, name: str, condition: str, timeout: float) -> dict[str, Any]:
        limit = patience(timeout)
        try:
            self.run("wait", f"{kind}/{name}", condition, f"--timeout={limit:.0f}s", timeout=limit + 10)
        except KubectlError as error:
            found = self.get(kind, name)
            state = json.dumps((found or {}).get("status"), indent=1)
            raise KubectlError(f"{error}\n{kind}/{name} has the status {state}\n{self.events()}") from None
        found = self.get(kind, name)
        if found is None:
            raise KubectlError(f"{kind}/{name} is gone")
        return found

    def events(self) -> str:
        """The namespace's last events, for a failure's message."""
        return "\n".join(self.run("get", "events", "--sort-by=.lastTimestamp").splitlines()[-15:])


def condition(obj: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """The condition of that type, or an empty dict."""
    found: Iterable[dict[str, Any]] = obj.get("status", {}).get("conditions", [])
    return next((item for item in found if item["type"] == kind), {})
