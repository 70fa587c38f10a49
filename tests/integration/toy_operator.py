"""The real operator with decisions of a few lines, so that tests of the shell do not depend on the real decisions.

TrainingJob: one Job; when it is complete, ModelVersion <name>-v1. ModelDeployment: for `version: n` a Service and an
HTTPRoute that points to it; the Services of other versions are deleted.
"""

from __future__ import annotations

import sys
from datetime import datetime
from typing import Any

from pintle.contract import names
from pintle.controller import gather
from pintle.controller.main import main
from pintle.controller.store import Store
from pintle.controller.watching.watch import Watch
from pintle.core.plan import Delete, Event, Obj, Plan, Policy
from pintle.ports.cluster import Cluster

from tests.integration.objects import model_version


async def plan_for(
    parent: Obj, store: Store, cluster: Cluster, watch: Watch, write_error: str | None, now: datetime, policy: Policy
) -> Plan:
    if parent["kind"] == "TrainingJob":
        observed = await gather.training(parent, store, cluster, write_error)
        return training(observed.parent, observed.jobs, observed.versions, write_error)
    if parent["kind"] == "ModelDeployment":
        seen = gather.deployment(parent, store, write_error)
        return deployment(seen.parent, seen.services, seen.route)
    return Plan()


def training(parent: Obj, jobs: tuple[Obj, ...], versions: tuple[Obj, ...], write_error: str | None) -> Plan:
    done = any(c["type"] == "Complete" for job in jobs for c in job.get("status", {}).get("conditions", ()))
    create = [] if jobs else [_job(parent)]
    name = parent["metadata"]["name"]
    if done and not versions:
        made = model_version(name)
        create.append({**made, "metadata": {**made["metadata"], "namespace": parent["metadata"]["namespace"]}})
    reason = "WriteRefused" if write_error else "Done" if versions else "Running"
    status = _status(parent, "Succeeded", "True" if versions else "False", reason, write_error or "")
    events = (Event("Normal", reason, "it went on"),) if status else ()
    return Plan(create=tuple(create), status=status, events=events, why=(reason,))


def deployment(parent: Obj, services: tuple[Obj, ...], route: Obj | None) -> Plan:
    wanted = f"{parent['metadata']['name']}-{parent['spec']['version']}"
    present = {service["metadata"]["name"]: service for service in services}
    backend = route["spec"]["rules"][0]["backendRefs"][0]["name"] if route else None
    delete = tuple(
        Delete("v1", "Service", service["metadata"]["namespace"], name, service["metadata"]["uid"])
        for name, service in present.items()
        if name != wanted and backend == wanted
    )
    return Plan(
        apply=() if wanted in present else (_child(parent, "v1", "Service", wanted, {"ports": [{"port": 80}]}),),
        traffic=None if backend == wanted else _route(parent, wanted, route),
        status=_status(parent, "Ready", "True" if backend == wanted else "False", "AsTold", wanted),
        delete=delete,
        why=(f"version {parent['spec']['version']}",),
    )


def _status(parent: Obj, kind: str, value: str, reason: str, message: str) -> dict[str, Any] | None:
    condition = {"type": kind, "status": value, "reason": reason, "message": message}
    generation = parent["metadata"]["generation"]
    condition |= {"observedGeneration": generation, "lastTransitionTime": parent["metadata"]["creationTimestamp"]}
    status = {"observedGeneration": generation, "conditions": [condition]}
    return None if parent.get("status") == status else status


def _job(parent: Obj) -> dict[str, Any]:
    container = {"name": "main", "image": parent["spec"]["trainer"]["image"]}
    if "resources" in parent["spec"]["trainer"]:
        container["resources"] = parent["spec"]["trainer"]["resources"]
    template = {"spec": {"restartPolicy": "Never", "containers": [container]}}
    return _child(parent, "batch/v1", "Job", f"{parent['metadata']['name']}-run", {"template": template})


def _route(parent: Obj, backend: str, before: Obj | None) -> dict[str, Any]:
    spec = {"parentRefs": [{"name": "web"}], "rules": [{"backendRefs": [{"name": backend, "port": 80, "weight": 1}]}]}
    route = _child(parent, "gateway.networking.k8s.io/v1", "HTTPRoute", parent["metadata"]["name"], spec)
    if before is not None:
        route["metadata"]["resourceVersion"] = before["metadata"]["resourceVersion"]
    return route


def _child(parent: Obj, api_version: str, kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    label = names.LABEL_TRAINING_JOB if parent["kind"] == "TrainingJob" else names.LABEL_DEPLOYMENT
    owner = {key: parent["metadata"][key] for key in ("name", "uid")}
    metadata = {
        "name": name,
        "namespace": parent["metadata"]["namespace"],
        "labels": {names.LABEL_MANAGED_BY: names.MANAGED_BY, label: parent["metadata"]["name"]},
        "ownerReferences": [{"apiVersion": names.API_VERSION, "kind": parent["kind"], "controller": True, **owner}],
    }
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec}


if __name__ == "__main__":
    sys.exit(main(plan_for))
