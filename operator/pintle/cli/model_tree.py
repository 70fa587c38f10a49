"""`get`: a model with its versions, deployments, revisions and runs. First as data, then as lines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from pintle.cli.facts import World, age, condition, duration, kept, model_of, name_of, namespace_of, status_of, until
from pintle.cli.figures import comparison
from pintle.cli.kubectl import Obj
from pintle.cli.run_list import run_entries
from pintle.cli.text import Node, aligned, bold, dim, judged, odd, tree

MOST_RUNS = 5
ROLES = ("stable", "canary", "previous")


def models(world: World) -> list[dict[str, Any]]:
    """One entry for each model, by namespace and name."""
    everything = (*world.versions, *world.deployments, *world.jobs)
    names = sorted({(namespace_of(obj), model_of(obj)) for obj in everything})
    return [_model(world, namespace, model) for namespace, model in names]


def _model(world: World, namespace: str, model: str) -> dict[str, Any]:
    def ours(objects: Iterable[Obj]) -> list[Obj]:
        return [obj for obj in objects if (namespace_of(obj), model_of(obj)) == (namespace, model)]

    versions = sorted(ours(world.versions), key=lambda obj: -int(obj["spec"]["version"]))
    return {
        "namespace": namespace,
        "model": model,
        "versions": [_version(obj) for obj in versions],
        "deployments": [_deployment(obj) for obj in ours(world.deployments)],
        "trainingJobs": [_job(obj) for obj in ours(world.jobs)],
    }


def _version(obj: Obj) -> dict[str, Any]:
    ready = condition(obj, "Ready")
    return kept(
        name=name_of(obj),
        version=obj["spec"]["version"],
        ready=ready.get("status", "Unknown"),
        reason=ready.get("reason"),
        message=ready.get("message"),
        verified=condition(obj, "Verified").get("status"),
        validated=condition(obj, "Validated").get("status"),
        aliases=[alias["name"] for alias in status_of(obj).get("aliases") or ()],
        usedBy=list(status_of(obj).get("usedBy") or ()),
        metrics={item["name"]: item["value"] for item in obj["spec"].get("metrics") or ()},
        createdTime=obj["metadata"].get("creationTimestamp"),
    )


def asks(spec: Mapping[str, Any]) -> str:
    """What a deployment asks for: `version 3`, `Latest` or `alias champion`."""
    if spec.get("version"):
        return f"version {spec['version']}"
    return "Latest" if spec.get("follow") == "Latest" else f"alias {spec.get('follow')}"


def _deployment(obj: Obj) -> dict[str, Any]:
    status = status_of(obj)
    ready = condition(obj, "Ready")
    return kept(
        name=name_of(obj),
        asks=asks(obj["spec"]),
        available=condition(obj, "Available").get("status", "Unknown"),
        ready=ready.get("status", "Unknown"),
        reason=ready.get("reason"),
        message=ready.get("message"),
        url=status.get("url"),
        rollout=dict(status.get("rollout") or {}),
        revisions=[{"role": role, **status[role]} for role in ROLES if status.get(role)],
        refused=list(status.get("refused") or ()),
    )


def _job(obj: Obj) -> dict[str, Any]:
    succeeded = condition(obj, "Succeeded")
    return kept(
        name=name_of(obj),
        succeeded=succeeded.get("status", "Unknown"),
        reason=succeeded.get("reason"),
        message=succeeded.get("message"),
        runs=run_entries(obj),
    )


# Lines ----------------------------------------------------------------------------------------------------------------


def lines(found: Iterable[Mapping[str, Any]], now: datetime) -> list[str]:
    """All trees, an empty line between two."""
    drawn: list[str] = []
    for model in found:
        drawn += [""] if drawn else []
        drawn += tree(_root(model, now))
    return drawn


def _root(model: Mapping[str, Any], now: datetime) -> Node:
    groups = [
        Node("versions", [Node(line) for line in _version_lines(model["versions"], now)]),
        Node("deployments", [_deployment_node(item, now) for item in model["deployments"]]),
        *(_job_node(item, now) for item in model["trainingJobs"]),
    ]
    return Node(
        f"{bold(model['model'])} {dim('in namespace ' + model['namespace'])}",
        [group for group in groups if group.below or group.line not in ("versions", "deployments")],
    )


def _version_lines(versions: Iterable[Mapping[str, Any]], now: datetime) -> list[str]:
    return aligned(
        [
            (
                bold(f"v{item['version']}"),
                _state(item["ready"], item.get("reason", "")),
                ", ".join(item.get("aliases", ())),
                " ".join(f"{name} {value}" for name, value in list(item.get("metrics", {}).items())[:3]),
                f"serves in {', '.join(item['usedBy'])}" if item.get("usedBy") else "",
                dim(age(item.get("createdTime"), now)),
            )
            for item in versions
        ]
    )


def _state(status: str, reason: str) -> str:
    """`Ready` for True; the reason for everything else, in the colour of the status."""
    shown = judged(status)
    return shown.replace(status, "Ready" if status == "True" else reason or status, 1)


def _deployment_node(item: Mapping[str, Any], now: datetime) -> Node:
    rollout = item.get("rollout", {})
    state = _state(item["ready"], item.get("reason", ""))
    head = f"{bold(item['name'])}  {state}  asks for {item['asks']}"
    if item["available"] != "True":
        head += f"  {judged('False').replace('False', 'serves nothing')}"
    rows = [_revision_row(revision, rollout, now) for revision in item.get("revisions", ())]
    below = [Node(line) for line in aligned(rows)]
    for node, revision in zip(below, item.get("revisions", ()), strict=True):
        if _is_judged(revision, rollout):
            node.below = [Node(line) for line in _test_lines(rollout.get("tests", ()))]
    below += [
        Node(judged("Refused").replace("Refused", f"refused {gone['revision']}") + _of_version(gone) + _because(gone))
        for gone in item.get("refused", ())
    ]
    return Node(head, below)


def _of_version(refused: Mapping[str, Any]) -> str:
    return f" v{refused['version']}" if refused.get("version") else ""


def _because(refused: Mapping[str, Any]) -> str:
    return f": {refused['why']}" if refused.get("why") else ""


def _is_judged(revision: Mapping[str, Any], rollout: Mapping[str, Any]) -> bool:
    """A rollout judges the canary; a guard the stable, against the one before."""
    role: str = revision["role"]
    return role == {"Canary": "canary", "Guard": "stable"}.get(str(rollout.get("state")))


def _revision_row(revision: Mapping[str, Any], rollout: Mapping[str, Any], now: datetime) -> tuple[str, ...]:
    pods = revision.get("readyReplicas", 0)
    return (
        revision["revision"],
        bold(f"v{revision['version']}"),
        revision["role"],
        f"{revision.get('weight', 0):>3} %",
        f"{pods} pod{'' if pods == 1 else 's'}",
        course(rollout, now) if _is_judged(revision, rollout) else "",
        dim(age(revision.get("createdTime"), now)),
    )


def course(rollout: Mapping[str, Any], now: datetime) -> str:
    """How far a rollout or guard is, in words: `step 2 of 3, NeedMoreData, enough evidence in about 4m`."""
    parts = []
    if rollout.get("state") == "Guard":
        parts.append(f"guard, {until(rollout.get('endTime'), now)} left" if rollout.get("endTime") else "guard")
    elif rollout.get("step"):
        parts.append(f"step {rollout['step']} of {rollout.get('steps', '?')}")
    if rollout.get("paused"):
        parts.append(odd(f"paused: {rollout['paused']}"))
    if rollout.get("verdict"):
        parts.append(judged(rollout["verdict"]))
    if rollout.get("expectedSeconds"):
        parts.append(f"enough evidence in about {duration(rollout['expectedSeconds'])}")
    return ", ".join(parts)


def _test_lines(tests: Iterable[Mapping[str, Any]]) -> list[str]:
    return aligned(
        [(test["name"], judged(test["verdict"]), comparison(test), dim(test.get("message", ""))) for test in tests]
    )


def _job_node(item: Mapping[str, Any], now: datetime) -> Node:
    runs = list(item.get("runs", ()))
    head = f"training {bold(item['name'])}  {_succeeded(item)}"
    rows = [
        (
            run["run"],
            judged(run["result"]),
            run["reason"] if run["reason"] != run["result"] else "",
            bold(f"v{run['version']}") if run.get("version") else "",
            run.get("trigger", {}).get("kind", ""),
            dim(age(run.get("startTime"), now)),
        )
        for run in runs[:MOST_RUNS]
    ]
    below = [Node(line) for line in aligned(rows)]
    if len(runs) > MOST_RUNS:
        below.append(Node(dim(f"and {len(runs) - MOST_RUNS} before: kubectl pintle runs {item['name']}")))
    return Node(head, below)


def _succeeded(item: Mapping[str, Any]) -> str:
    status = str(item["succeeded"])
    return judged(status).replace(status, item.get("reason") or status, 1)
