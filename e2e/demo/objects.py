"""What the demo applies: the example's YAML, its code as a ConfigMap, and a pod that fills the claim."""

from __future__ import annotations

from typing import Any

import yaml

from e2e.demo.flights import EXAMPLE

NAMESPACE = "pintle-demo"
NAME = "delays"
CODE = "delays-code"
LOADER = "load"
DATA = "/data/partitions"
LABELS = {"pintle-e2e/run": "demo", "pod-security.kubernetes.io/enforce": "restricted"}

Obj = dict[str, Any]

# Takes a tar archive on standard input; a file is renamed into place only when it is whole.
UNPACK = f"""
import pathlib, sys, tarfile
out = pathlib.Path("{DATA}"); out.mkdir(parents=True, exist_ok=True)
with tarfile.open(fileobj=sys.stdin.buffer, mode="r|") as archive:
    for item in archive:
        name = pathlib.PurePosixPath(item.name).name
        (out / (name + ".tmp")).write_bytes(archive.extractfile(item).read())
        (out / (name + ".tmp")).replace(out / name)
        print(name, flush=True)
"""
# What lies there: name and SHA-256 of every partition.
LIST = f"""
import hashlib, pathlib
for path in sorted(pathlib.Path("{DATA}").glob("*.parquet")):
    print(path.name, hashlib.sha256(path.read_bytes()).hexdigest())
"""


def namespace() -> Obj:
    """The demo's namespace; Pod Security "restricted" is enforced in it."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": LABELS}}


def example(file: str) -> list[Obj]:
    """The objects of one YAML file of the example."""
    return [item for item in yaml.safe_load_all((EXAMPLE / file).read_text("utf-8")) if item]


def code() -> Obj:
    """The training code, as `kubectl create configmap --from-file` would make it."""
    files = {name: (EXAMPLE / name).read_text("utf-8") for name in ("train.py", "features.py")}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": CODE}, "data": files}


def model_deployment(gateway: str = "") -> Obj:
    """The example's ModelDeployment; `gateway` is `namespace/name` of another Gateway than the example's."""
    (found,) = example("modeldeployment.yaml")
    if gateway:
        space, _, name = gateway.rpartition("/")
        found["spec"]["traffic"]["gateway"]["parentRefs"] = [{"name": name} | ({"namespace": space} if space else {})]
    return found


def loader(image: str) -> Obj:
    """A pod that mounts the claim and waits for the files; ends by itself after half an hour."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": LOADER},
        "spec": {
            "restartPolicy": "Never",
            "activeDeadlineSeconds": 1800,
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": False,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 10001,
                "runAsGroup": 10001,
                "fsGroup": 10001,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": "main",
                    "image": image,
                    "imagePullPolicy": "IfNotPresent",
                    "command": ["python", "-c", "import signal; signal.pause()"],
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "capabilities": {"drop": ["ALL"]},
                        "readOnlyRootFilesystem": True,
                    },
                    "volumeMounts": [{"name": "flights", "mountPath": "/data"}],
                }
            ],
            "volumes": [{"name": "flights", "persistentVolumeClaim": {"claimName": "flights"}}],
        },
    }
