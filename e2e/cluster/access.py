"""The doors of the cluster, for tests, the demo and shells."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import Any

from . import provider
from .errors import ClusterError
from .tools import tools_on_path


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
            time.sleep(0.2)  # between two questions; the deadline ends it
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
