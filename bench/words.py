"""A person's words through one `kubectl proxy`: a kubectl process for each would take the processor from others."""

from __future__ import annotations

import re
import subprocess
from typing import Any

import httpx
from pintle.contract.names import API_VERSION

from e2e.kubectl import Kubectl


class Words:
    """Context manager: patches objects of one namespace. Used from several threads."""

    def __init__(self, kube: Kubectl) -> None:
        self._command = ["kubectl", f"--kubeconfig={kube.kubeconfig}", "proxy", "--address=127.0.0.1", "--port=0"]
        self._path = f"/apis/{API_VERSION}/namespaces/{kube.namespace}/modeldeployments"

    def __enter__(self) -> Words:
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        said = self._process.stdout.readline()
        found = re.search(r"127\.0\.0\.1:\d+", said)
        if found is None:
            self._end()
            raise RuntimeError(f"kubectl proxy did not start: {said.strip()}")
        self._client = httpx.Client(base_url=f"http://{found[0]}", trust_env=False, timeout=30)
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()
        self._end()

    def annotate(self, name: str, annotations: dict[str, Any]) -> None:
        """On a ModelDeployment, as `kubectl annotate --overwrite`. Raises httpx.HTTPStatusError."""
        headers = {"content-type": "application/merge-patch+json"}
        body = {"metadata": {"annotations": annotations}}
        self._client.patch(f"{self._path}/{name}", json=body, headers=headers).raise_for_status()

    def _end(self) -> None:
        self._process.terminate()
        self._process.wait(timeout=10)
        assert self._process.stdout is not None
        self._process.stdout.close()
