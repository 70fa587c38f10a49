"""A way to the servers' feedback port from outside the cluster: `kubectl proxy` on a free port of 127.0.0.1."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from e2e.demo import objects
from e2e.kubectl import Kubectl, KubectlError


@contextmanager
def door(kube: Kubectl) -> Iterator[str]:
    """The address that takes truths for the story's deployment; the proxy ends with the block. Raises KubectlError."""
    with services(kube) as root:
        yield address(root, objects.NAME)


def address(root: str, deployment: str) -> str:
    """Where a deployment takes truths, below what `services` gives."""
    return f"{root}/services/{deployment}:feedback/proxy/feedback"


@contextmanager
def services(kube: Kubectl) -> Iterator[str]:
    """The API server's way into the namespace, on 127.0.0.1."""
    command = ["kubectl", f"--kubeconfig={kube.kubeconfig}", "proxy", "--port=0", "--address=127.0.0.1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            found = re.search(r"127\.0\.0\.1:(\d+)", line)
            if found is None:
                raise KubectlError(f"kubectl proxy did not start: {line.strip()}")
            yield f"http://127.0.0.1:{found.group(1)}/api/v1/namespaces/{kube.namespace}"
        finally:
            process.terminate()
