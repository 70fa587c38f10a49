"""The doors of the cluster, for tests, the demo and shells."""

from __future__ import annotations

import json
import os
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import paths, provider
from .binaries import HELM, KUBERNETES
from .errors import ClusterError


@dataclass(frozen=True)
class Access:
    """Where to go in, and what to ask Prometheus."""

    kubeconfig: str
    gateway: str
    prometheus: str

    def query(self, promql: str) -> list[dict[str, Any]]:
        """An instant query's result: [{"metric": {...}, "value": [time, "number"]}]."""
        url = f"{self.prometheus}/api/v1/query?{urllib.parse.urlencode({'query': promql})}"
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(url, timeout=10) as answer:
            found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
        return found

    def wait_for_query(self, promql: str, seconds: float = 30) -> list[dict[str, Any]]:
        """The result as soon as it is not empty; ClusterError when it stays so."""
        deadline = time.monotonic() + seconds
        said = "no result"
        while time.monotonic() < deadline:
            try:
                if found := self.query(promql):
                    return found
            except (urllib.error.URLError, OSError) as error:
                said = str(error)
            time.sleep(0.2)
        raise ClusterError(f"Prometheus had {said} within {seconds:.0f} s for: {promql}")

    def variables(self) -> dict[str, str]:
        """For a shell."""
        return {"KUBECONFIG": self.kubeconfig, "PINTLE_GATEWAY": self.gateway, "PINTLE_PROMETHEUS": self.prometheus}


def access() -> Access:
    """The doors of the cluster that is up; kubectl and helm are on the PATH of this process afterwards."""
    tools_on_path()
    found = provider.choose()
    doors = found.doors()
    return Access(kubeconfig=str(doors.kubeconfig), gateway=doors.gateway, prometheus=doors.prometheus)


def tools_folder() -> Path:
    """kubectl and helm, under their own names, where the cluster was built from source."""
    folder = paths.cache_dir() / "bin"
    folder.mkdir(parents=True, exist_ok=True)
    for name, binary in (("kubectl", KUBERNETES), ("helm", HELM)):
        built = binary.cached()
        link = folder / name
        if built and not (link.is_symlink() and link.resolve() == (built / name).resolve()):
            part = folder / f".{name}.{os.getpid()}"
            part.unlink(missing_ok=True)
            part.symlink_to(built / name)
            part.replace(link)
    return folder


def tools_on_path() -> None:
    """After what the user has: their own kubectl and helm come first."""
    folder = str(tools_folder())
    if folder not in os.environ.get("PATH", "").split(os.pathsep):
        os.environ["PATH"] = os.pathsep.join(filter(None, [os.environ.get("PATH"), folder]))
