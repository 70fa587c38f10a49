"""What the watcher is told: which deployments are in a rollout or a guard, and the state of their pods."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from pintle.contract import names
from pintle.core.rollout.record import Course, Record, format_time
from pintle.core.rollout.trial import trial_of
from pintle.resources.revision import Revision

from tests.builders import START, model_deployment, stamp
from tests.serving_world import POLICY, Serving

JUDGED = replace(POLICY, has_metrics=True)
OLD, NEW = "aaaaaaaa", "bbbbbbbb"
FACTS = {name: Revision(name, 1, "sha256:" + "a" * 64, "s3://models/a", "pintle/server:1") for name in (OLD, NEW)}
CANARY = Record(
    stable=OLD,
    canary=NEW,
    weights={OLD: 95, NEW: 5},
    revisions=FACTS,
    since=format_time(START),
    course=Course(stepped=format_time(START), origin=format_time(START)),
)
GUARD = CANARY.with_(stable=NEW, canary="", previous=OLD, weights={OLD: 5, NEW: 95})


def serving(record: Record, **rollout: Any) -> Serving:
    """Version 1 serves; its route then says `record`."""
    parent = model_deployment().gateway().spec(rollout=rollout or {"sensitivity": "Fast"})
    made = Serving(parent.obj(), policy=JUDGED)
    made.converge()
    assert made.route is not None
    made.route["metadata"]["annotations"][names.ANNOTATION_ROLLOUT] = record.to_json()
    return made


def test_a_canary_is_judged_beside_the_stable_and_a_promoted_revision_beside_the_previous_one() -> None:
    """Tested and control change their roles' names with the promotion, not their sides."""
    for record, phase in ((CANARY, "Canary"), (GUARD, "Guard")):
        made = serving(record)
        spec = trial_of(made.observe(), made.world.now, JUDGED)
        assert spec is not None
        assert (spec.namespace, spec.deployment, spec.phase) == ("team", "delays", phase)
        assert (spec.tested, spec.control, spec.origin) == (NEW, OLD, START.timestamp())
        assert spec.spec.sensitivity == "Fast"
        assert spec.concurrent


def test_a_guard_without_holdback_has_no_concurrent_control() -> None:
    """Then only gross failure may act."""
    made = serving(GUARD.with_(weights={OLD: 0, NEW: 100}))
    spec = trial_of(made.observe(), made.world.now, JUDGED)
    assert spec is not None
    assert not spec.concurrent


@pytest.mark.parametrize(
    ("what", "record"),
    [
        ("a canary that has had no traffic yet", CANARY.on(origin="")),
        ("nothing but the stable", CANARY.with_(canary="", weights={OLD: 100}, course=Course())),
        ("an origin that is still to come", CANARY.on(origin=format_time(START + timedelta(days=1)))),
    ],
)
def test_where_nothing_is_on_trial_there_is_none(what: str, record: Record) -> None:
    """The watcher asks for every deployment at every look."""
    made = serving(record)
    assert trial_of(made.observe(), made.world.now, JUDGED) is None, what


def test_without_prometheus_there_is_no_trial() -> None:
    """Nobody could answer its query."""
    made = serving(CANARY)
    assert trial_of(made.observe(), made.world.now, POLICY) is None


def test_pods_are_told_apart_by_revision_with_readiness_and_restarts() -> None:
    """A pod that is going away is ready no more, and every container's restarts count."""
    made = serving(CANARY)

    def pod(name: str, revision: str, ready: bool, restarts: int, **metadata: Any) -> dict[str, Any]:
        labels = {names.LABEL_DEPLOYMENT: "delays", names.LABEL_REVISION: revision}
        condition = {"type": "Ready", "status": str(ready), "lastTransitionTime": stamp(START)}
        statuses = [{"name": "server", "restartCount": restarts}, {"name": "sidecar", "restartCount": 1}]
        status = {"conditions": [condition], "containerStatuses": statuses}
        return {"kind": "Pod", "metadata": {"name": name, "labels": labels, **metadata}, "status": status}

    pods = (
        pod("c", NEW, True, 2),
        pod("b", NEW, False, 0),
        pod("a", OLD, True, 0, deletionTimestamp=stamp(START)),
        pod("d", "cccccccc", True, 9),
    )
    # Deployments stand for revisions; these two have one each.
    found = made.observe()
    one = found.deployments[0]
    deployments = tuple(
        {**one, "metadata": {**one["metadata"], "name": f"delays-{name}", "labels": {names.LABEL_REVISION: name}}}
        for name in (OLD, NEW)
    )
    spec = trial_of(replace(found, pods=pods, deployments=deployments), made.world.now, JUDGED)
    assert spec is not None
    assert spec.ready_pods == {NEW: ("c",), OLD: ()}
    assert spec.restarts == {NEW: 4, OLD: 1}
    assert next(item for item in spec.pods if item.name == "c").ready_since == START.timestamp()
