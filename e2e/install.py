"""Builds the images and installs Pintle with Helm on the cluster; brings the cluster up first where it is not.

python -m e2e.install [--set NAME=VALUE ...]     more values for the chart
python -m e2e.install --only-images              images only: built, and on the nodes
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from e2e import images
from e2e.cluster import ahead, provider, prune
from e2e.cluster.access import Access, access
from e2e.cluster.errors import ClusterError
from e2e.cluster.foreign import RUN_LABEL, Foreign, run_id
from e2e.kubectl import Kubectl, KubectlError

# As e2e/cluster/manifests/prometheus.yaml sets it up, and as often as it scrapes.
METRICS = (
    "prometheus.url=http://prometheus.monitoring.svc:9090",
    "prometheus.scrapeIntervalSeconds=1",
    "prometheus.lookSeconds=0.25",
)
ROOT = Path(__file__).parent.parent


def helm(doors: Access, *words: str) -> None:
    """Runs helm; its output goes to the terminal only when it fails. Raises ClusterError with it."""
    command = ["helm", f"--kubeconfig={doors.kubeconfig}", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ClusterError(f"helm {' '.join(words[:3])} failed: {done.stderr.strip() or done.stdout.strip()}")


def load_images(found: provider.Provider) -> dict[str, str]:
    """Image name -> reference; afterwards the nodes have them."""
    references = images.references()
    found.load(list(references.values()))
    return references


def install(values: list[str]) -> None:
    """Charts of the kinds and of the operator; waits until the operator's pods are ready."""
    found = provider.choose()
    if found.name == "source":
        # Downloads and Debian's installer leave the CPUs to the compiler for much of the time.
        ahead.begin(images.references)
    found.up()
    references = load_images(found)
    doors = access()
    admin = Kubectl(doors.kubeconfig)
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    if isinstance(found, Foreign):
        # By this label a later command finds what is ours on somebody's cluster, and touches nothing else.
        labels[RUN_LABEL] = run_id()
    admin.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": images.NAMESPACE, "labels": labels}})
    more = [f"image.{name}={reference}" for name, reference in references.items()]
    more += ["replicas=2", "policy.startDeadlineSeconds=60", "policy.drainSeconds=5", *METRICS, *values]
    print("==> helm: charts/pintle-crds, charts/pintle", flush=True)
    helm(doors, "upgrade", "--install", "pintle-crds", "charts/pintle-crds", f"--namespace={images.NAMESPACE}")
    words = [
        "upgrade",
        "--install",
        "pintle",
        "charts/pintle",
        f"--namespace={images.NAMESPACE}",
        "--wait",
        "--timeout=180s",
    ]
    helm(doors, *words, *(f"--set={value}" for value in more))
    if found.name == "source":
        # What pods, their templates and the operator's environment name is in use.
        prune.prune(admin.run("get", "deployments,jobs,pods", "--all-namespaces", "--output=json"))


def main(words: list[str]) -> int:
    values = [word.removeprefix("--set=") for word in words if word != "--set"]
    started = time.monotonic()
    try:
        if words == ["--only-images"]:
            load_images(provider.choose())
            return 0
        install(values)
    except (ClusterError, KubectlError, subprocess.CalledProcessError) as error:
        print(f"install: {error}", file=sys.stderr)
        return 1
    print(f"Pintle is installed in namespace {images.NAMESPACE} ({time.monotonic() - started:.0f} s)", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
