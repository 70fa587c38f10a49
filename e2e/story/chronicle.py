"""What happened on the cluster, read from the objects' status once a second: nothing of it is known beforehand."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from e2e.kubectl import Kubectl, KubectlError, condition
from e2e.story.objects import NAME

Obj = Mapping[str, Any]


@dataclass(frozen=True)
class Entry:
    """Something that was seen for the first time at `time` (unix seconds)."""

    time: float
    kind: str
    """Run, Governor, Version, Rollout or Drift."""
    title: str
    detail: str = ""


@dataclass(frozen=True)
class Share:
    """Weights by version at a moment."""

    time: float
    weights: Mapping[str, int]


@dataclass
class Chronicle:
    """Entries in the order in which they were seen, and the weights whenever they changed."""

    entries: list[Entry] = field(default_factory=list)
    shares: list[Share] = field(default_factory=list)
    statuses: dict[str, Obj] = field(default_factory=dict)
    _seen: set[tuple[str, ...]] = field(default_factory=set)

    def read(self, items: list[Obj], now: float) -> list[Entry]:
        """Takes the objects as they are now; returns what is new."""
        before = len(self.entries)
        for item in items:
            kind, status = item["kind"], item.get("status", {})
            self.statuses[f"{kind}/{item['metadata']['name']}"] = item
            if kind == "TrainingJob":
                self._training(item, status, now)
            elif kind == "ModelVersion":
                self._version(item, now)
            elif kind == "ModelDeployment":
                self._deployment(item, status, now)
        return self.entries[before:]

    def _once(self, key: tuple[str, ...], entry: Entry) -> None:
        if key not in self._seen:
            self._seen.add(key)
            self.entries.append(entry)

    def _training(self, item: Obj, status: Obj, now: float) -> None:
        name = item["metadata"]["name"]
        for run in reversed(status.get("runs") or []):
            trigger = run.get("trigger") or {}
            cause = f"{trigger.get('kind', 'Definition')}: {trigger.get('message', '')}".strip(": ")
            self._once(("run", run["name"]), Entry(now, "Run", f"{name}: run {run['name'][-10:]} starts", cause))
            if run["result"] != "Running":
                title = f"{name}: run {run['name'][-10:]} {run['result']} ({run['reason']})"
                self._once(("ran", run["name"]), Entry(now, "Run", title, run.get("message", "")))
        governor = status.get("governor") or {}
        if governor.get("refused"):
            refused = governor["refused"]
            key = ("governor", name, refused.get("kind", ""), refused.get("id") or "", governor.get("reason", ""))
            title = f"{name}: {refused.get('kind')} asked for a run, the governor says {governor.get('reason')}"
            self._once(key, Entry(now, "Governor", title, governor.get("message", "")))

    def _version(self, item: Obj, now: float) -> None:
        ready = condition(item, "Ready")
        if ready.get("status") == "True" or ready.get("reason") == "GatesFailed":
            name = item["metadata"]["name"]
            figures = {entry["name"]: entry["value"] for entry in item["spec"].get("metrics") or []}
            detail = f"auc {figures.get('auc', '?')}, brier {figures.get('brier', '?')} on held-back rows"
            self._once(("version", name), Entry(now, "Version", f"{name} {ready['reason']}", detail))

    def _deployment(self, item: Obj, status: Obj, now: float) -> None:
        for entry in reversed(status.get("history") or []):
            key = ("history", entry["time"], entry["action"], entry.get("revision", ""))
            title = f"{entry['action']} version {entry.get('version', '?')}"
            self._once(key, Entry(now, "Rollout", title, entry.get("why", "")))
        for kind in ("FeatureDrift", "PredictionDrift", "TrainingServingSkew", "LabelsSelective", "Degraded"):
            found = condition(item, kind)
            if found:
                key = ("drift", kind, found["status"], found["lastTransitionTime"])
                self._once(key, Entry(now, "Drift", f"{kind}={found['status']}", found.get("message", "")))
        weights = {
            str(part["version"]): int(part.get("weight", 0))
            for part in (status.get("stable"), status.get("canary"), status.get("previous"))
            if part and part.get("weight")
        }
        if weights and (not self.shares or self.shares[-1].weights != weights):
            self.shares.append(Share(now, weights))


class Watcher:
    """Reads the cluster once a second in a thread of its own, until it is left."""

    def __init__(self, kube: Kubectl, chronicle: Chronicle, tell: Any) -> None:
        self._kube, self._chronicle, self._tell = kube, chronicle, tell
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Watcher:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(timeout=30)

    def _run(self) -> None:
        while not self._stop.wait(1.0):
            try:
                text = self._kube.run("get", "tj,mver,mdep", "-o", "json")
            except KubectlError as error:
                self._tell(Entry(time.time(), "Cluster", "kubectl failed", str(error)[:200]))
                continue
            for entry in self._chronicle.read(json.loads(text)["items"], time.time()):
                self._tell(entry)


def deployment_status(chronicle: Chronicle) -> Obj:
    """The newest status of the story's deployment."""
    return chronicle.statuses.get(f"ModelDeployment/{NAME}", {}).get("status", {})
