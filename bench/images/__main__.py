"""What Pintle's images hold: unpacked size, Python packages, the user, and which tools lie in them: make bench-images.

A pod of each image looks around in itself, with the rights that Pintle's own pods have. The base is the one that the
images of this installation were built on.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench.arena import namespace
from bench.report import Report, arguments
from e2e.cluster.access import access
from e2e.images import installed
from e2e.kubectl import Kubectl

TOOLS = ("sh", "gcc", "cc", "make", "ld", "pip", "apt-get")
LOOK = f"""
import json, os, shutil, site, sys
from pathlib import Path

def size(top):
    found = {{}}
    for folder, folders, files in os.walk(top):
        folders[:] = [name for name in folders if os.path.join(folder, name) not in ("/proc", "/sys", "/dev", "/run")]
        for name in files:
            status = os.lstat(os.path.join(folder, name))
            found[status.st_dev, status.st_ino] = status.st_size
    return sum(found.values()) / 1e6

packages = next(path for path in map(Path, site.getsitepackages()) if path.is_dir())
print(json.dumps({{
    "all": size("/"), "packages": size(packages), "code": size("/opt/pintle/app"), "user": os.getuid(),
    "count": len(list(packages.glob("*.dist-info"))), "python": sys.version.split()[0],
    "tools": [name for name in {TOOLS!r} if shutil.which(name)],
}}))
"""


def main() -> None:
    options = arguments("What the images hold").parse_args()
    doors = access()
    report = Report("Images of Pintle, unpacked")
    with namespace(doors.kubeconfig, "images") as kube:
        for name, image in installed().items():
            found = looked(kube, name, image)
            tools = f"has {', '.join(found['tools'])}" if found["tools"] else "no shell"
            lacks = ", ".join(tool for tool in TOOLS if tool not in found["tools"])
            report.add(f"{name}: whole image", "MB", [found["all"]], f"Python {found['python']}, user {found['user']}")
            report.add(f"{name}: site-packages", "MB", [found["packages"]], f"{found['count']} packages")
            report.add(f"{name}: Pintle's own code", "MB", [found["code"]], f"{tools}; no {lacks}")
    report.finish(options.json)


def looked(kube: Kubectl, name: str, image: str) -> dict[str, Any]:
    """What a pod of the image found in itself."""
    container = {
        "name": "look",
        "image": image,
        "command": ["python", "-c", LOOK],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"restartPolicy": "Never", "automountServiceAccountToken": False, "containers": [container]},
    }
    kube.apply(pod)
    kube.run("wait", f"pod/{name}", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=180s", timeout=190)
    found: dict[str, Any] = json.loads(kube.run("logs", name))
    return found


if __name__ == "__main__":
    main()
