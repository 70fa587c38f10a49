"""When the API server told others that a canary is gone: what lies before is the operator's, then the gateway's."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from typing import Any

import httpx
from pintle.contract.names import ANNOTATION_ROLLOUT
from pintle.core.rollout.record import Record

from bench.fleet import ROUTE
from tests.integration.kube import Rest, collection

LIMIT_SECONDS = 4 * 3600


class Told:
    """Context manager: one watch of the routes of a namespace, in a thread."""

    def __init__(self, rest: Rest, namespace: str) -> None:
        self._rest = rest
        api_version, kind = ROUTE
        self._path = collection({"apiVersion": api_version, "kind": kind, "metadata": {"namespace": namespace}})
        self._without: dict[str, float] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Told:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()

    def since(self, name: str) -> float:
        """Since when (unix seconds) the route of this deployment is seen without a canary. KeyError: it has one."""
        return self._without[name]

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._follow()
            except httpx.HTTPError:
                self._stop.wait(0.5)

    def _follow(self) -> None:
        params = {"watch": "true", "timeoutSeconds": str(LIMIT_SECONDS)}
        with self._rest.client.stream("GET", self._path, params=params, timeout=None) as answer:
            for line in answer.iter_lines():
                event = json.loads(line)
                if self._stop.is_set() or event["type"] == "ERROR":  # the watch is too old: begun anew
                    return
                self._learn(event["object"]["metadata"])

    def _learn(self, metadata: Mapping[str, Any]) -> None:
        text = (metadata.get("annotations") or {}).get(ANNOTATION_ROLLOUT)
        if (Record.from_json(text) or Record()).canary:
            self._without.pop(metadata["name"], None)
        else:
            self._without.setdefault(metadata["name"], time.time())
