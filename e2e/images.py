"""References of Pintle's images: as built from this tree, and as the installed operator uses them."""

from __future__ import annotations

from functools import cache

from e2e.cluster import images
from e2e.cluster.access import access
from e2e.kubectl import Kubectl, KubectlError

OURS = ("operator", "server", "runner")
NAMESPACE = "pintle-system"


@cache
def references() -> dict[str, str]:
    """Image name -> reference, for the three images of Pintle; built where their content is not there yet."""
    return images.build_all(OURS)


@cache
def installed() -> dict[str, str]:
    """What the installed operator runs as and gives to its pods. Raises KubectlError when Pintle is not installed."""
    deployment = Kubectl(access().kubeconfig, NAMESPACE).get("deployment", "pintle")
    if deployment is None:
        raise KubectlError(f"Pintle is not installed in namespace {NAMESPACE}; `make install` does that")
    operator = deployment["spec"]["template"]["spec"]["containers"][0]
    values = {item["name"]: item.get("value", "") for item in operator["env"]}
    theirs = {name: values[f"PINTLE_{name.upper()}_IMAGE"] for name in ("server", "runner")}
    return theirs | {"operator": operator["image"]}


def runner_image() -> str:
    """The image of the run pod's own containers, which has pandas and scikit-learn."""
    return installed()["runner"]


def server_image() -> str:
    """The model server's image."""
    return installed()["server"]
