"""`lineage`: from what serves back to what it was made of: revision, version, run, code, image, data, trigger."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pintle.cli.facts import World, kept, model_of, name_of, namespace_of, status_of
from pintle.cli.kubectl import MODEL_DEPLOYMENT, Obj
from pintle.cli.model_tree import ROLES
from pintle.cli.run_list import trigger
from pintle.cli.text import Node, bold, dim, judged, tree


def lineage(world: World, obj: Obj) -> dict[str, Any]:
    """Of a deployment: each of its revisions. Of a version: that version."""
    head = {"of": obj["kind"], "namespace": namespace_of(obj), "name": name_of(obj), "model": model_of(obj)}
    if obj["kind"] == MODEL_DEPLOYMENT:
        return {**head, "revisions": [_revision(world, obj, role) for role in ROLES if status_of(obj).get(role)]}
    return {**head, "version": version_lineage(world, obj)}


def _revision(world: World, deployment: Obj, role: str) -> dict[str, Any]:
    found = status_of(deployment)[role]
    version = world.version(namespace_of(deployment), model_of(deployment), found["version"])
    return kept(
        role=role,
        **{key: found.get(key) for key in ("revision", "weight", "image", "createdTime")},
        # The revision keeps these itself: deleting the ModelVersion stops nothing.
        version=version_lineage(world, version)
        if version
        else {"number": found["version"], "digest": found.get("digest"), "storageUri": found.get("storageUri"),
              "deleted": True},
    )  # fmt: skip


def version_lineage(world: World, version: Obj) -> dict[str, Any]:
    """What one ModelVersion was made of, and why."""
    spec = version["spec"]
    source = spec.get("source") or {}
    return kept(
        name=name_of(version),
        number=spec["version"],
        digest=spec.get("digest"),
        storageUri=spec.get("storageUri"),
        modelFormat=spec.get("modelFormat"),
        createdTime=version["metadata"].get("creationTimestamp"),
        metrics={item["name"]: item["value"] for item in spec.get("metrics") or ()},
        gates=[dict(gate) for gate in spec.get("gates") or ()],
        datasets=[dict(dataset) for dataset in spec.get("datasets") or ()],
        run=_run(world, namespace_of(version), source),
        byHand=not source,
    )


def _run(world: World, namespace: str, source: Mapping[str, Any]) -> dict[str, Any]:
    return kept(
        name=source.get("run"),
        trainingJob=source.get("trainingJob"),
        identity=source.get("identity"),
        codeDigest=source.get("codeDigest"),
        image=source.get("image"),
        imageID=source.get("imageID"),
        parameters={item["name"]: item["value"] for item in source.get("parameters") or ()},
        seed=source.get("seed"),
        recordUri=source.get("recordUri"),
        trigger=_trigger(world, namespace, source),
    )


def _trigger(world: World, namespace: str, source: Mapping[str, Any]) -> dict[str, Any]:
    """As the run's TrainingJob remembers it, with figures; else the words that the version itself has."""
    for job in world.jobs:
        if namespace_of(job) != namespace or name_of(job) != source.get("trainingJob"):
            continue
        for run in status_of(job).get("runs") or ():
            if run["name"] == source.get("run") and run.get("trigger"):
                return dict(run["trigger"])
    kind, _, message = str(source.get("trigger") or "").partition(": ")
    return kept(kind=kind, message=message)


# Lines ----------------------------------------------------------------------------------------------------------------


def lines(view: Mapping[str, Any]) -> list[str]:
    """A tree that goes back in time."""
    head = f"{bold(view['name'])} {dim(view['of'] + ' in namespace ' + view['namespace'])}"
    if "version" in view:
        return tree(Node(head, _version_nodes(view["version"])))
    revisions = [
        Node(
            f"revision {bold(item['revision'])} {item['role']}, {item.get('weight', 0)} %"
            + dim(f"  {item.get('image', '')}"),
            [Node(_version_line(item["version"]), _version_nodes(item["version"]))],
        )
        for item in view["revisions"]
    ]
    return tree(Node(head, revisions or [Node("no revision yet")]))


def _version_line(version: Mapping[str, Any]) -> str:
    gone = dim(" (its ModelVersion was deleted; the revision keeps uri and digest)") if version.get("deleted") else ""
    return f"version {bold(str(version['number']))}  {dim(version.get('createdTime', ''))}{gone}"


def _version_nodes(version: Mapping[str, Any]) -> list[Node]:
    nodes = [Node(f"model   {version.get('storageUri', '')}  {dim(version.get('digest', ''))}")]
    if version.get("metrics"):
        figures = "  ".join(f"{name} {value}" for name, value in version["metrics"].items())
        nodes.append(Node(f"metrics {figures}"))
    nodes += [
        Node(f"gate    {judged(gate['verdict'])} {gate.get('message') or gate['metric']}")
        for gate in version.get("gates", ())
    ]
    nodes += [_dataset_node(item) for item in version.get("datasets", ())]
    if version.get("run"):
        nodes.append(_run_node(version["run"]))
    elif not version.get("deleted"):
        nodes.append(Node(dim("no run: this version was registered by hand")))
    return nodes


def _dataset_node(item: Mapping[str, Any]) -> Node:
    span = " to ".join(item[key] for key in ("from", "through") if item.get(key))
    rows = f"{item['rows']:,} rows" if item.get("rows") is not None else ""
    facts = ", ".join(part for part in (span, rows) if part)
    return Node(
        f"data    {item['role']} {bold(item['name'])}  {facts}",
        _facts({k: item.get(k) for k in ("storageUri", "digest")}),
    )


def _run_node(run: Mapping[str, Any]) -> Node:
    of = f" of TrainingJob {run['trainingJob']}" if run.get("trainingJob") else ""
    facts = {
        "code": run.get("codeDigest"),
        "image": " ".join(str(run[key]) for key in ("image", "imageID") if run.get(key)),
        "parameters": ", ".join(f"{name}={value}" for name, value in run.get("parameters", {}).items()),
        "seed": run.get("seed"),
        "identity": run.get("identity"),
        "record": run.get("recordUri"),
    }
    below = _facts(facts)
    cause = run.get("trigger", {})
    if cause:
        told = f": {cause['message']}" if cause.get("message") else ""
        below.append(Node(f"because of {bold(trigger(cause))}{told}"))
    return Node(f"run     {bold(run.get('name', '?'))}{of}", below)


def _facts(facts: Mapping[str, Any]) -> list[Node]:
    return [Node(f"{dim(name)} {value}") for name, value in _told(facts.items())]


def _told(pairs: Iterable[tuple[str, Any]]) -> list[tuple[str, Any]]:
    return [(name, value) for name, value in pairs if value not in (None, "")]
