"""A status within the bounds of the API."""

from __future__ import annotations

from typing import Any

from pintle.api.deploymentstatus import ModelDeploymentStatus
from pintle.core.conditions import changed
from pintle.core.fitting import fitted

TIME = "2026-01-05T12:00:00Z"
CONDITION = {"type": "Ready", "status": "False", "reason": "NotReady", "lastTransitionTime": TIME}
DEPLOYMENT = "ModelDeployment"


def test_a_long_message_keeps_both_ends() -> None:
    """What it is about and the end of a log stay; in bytes, because that is what an object is counted in."""
    long = "server ended with " + "é" * 5000 + "ValueError: no such column"
    message = fitted(DEPLOYMENT, {"conditions": [{**CONDITION, "message": long}]})["conditions"][0]["message"]
    assert message.startswith("server ended with")
    assert message.endswith("no such column")
    assert len(message.encode()) <= 200


def test_everything_beyond_a_bound_is_cut() -> None:
    """Lists, words and counts too: the API server would refuse the status as a whole."""
    entry = {"time": TIME, "action": "A" * 50, "rows": 10**15, "version": 3, "why": "w" * 999}
    status: dict[str, Any] = {"history": [entry] * 40, "stable": {"weight": 101}}
    found = fitted(DEPLOYMENT, status)
    assert len(found["history"]) == 10
    assert found["history"][0]["action"] == "A" * 16
    assert found["history"][0]["rows"] == 999_999_999_999
    assert found["stable"]["weight"] == 100
    ModelDeploymentStatus.model_validate({"history": found["history"]})


def test_what_fits_is_left_alone() -> None:
    """The same values, with fields that no schema knows. A time or a digest is never cut: a piece of it is wrong."""
    status = {"observedGeneration": 3, "conditions": [{**CONDITION, "message": "short"}], "later": {"a": [1, True]}}
    assert fitted(DEPLOYMENT, status) == status
    odd = {"stable": {"digest": "sha256:" + "a" * 99}, "conditions": [{**CONDITION, "lastTransitionTime": TIME * 3}]}
    assert fitted(DEPLOYMENT, odd) == odd


def test_a_status_that_was_cut_comes_to_rest() -> None:
    """The same long status is no change the second time."""
    status = {"conditions": [{**CONDITION, "message": "x" * 5000}]}
    written = changed({"kind": DEPLOYMENT}, status)
    assert changed({"kind": DEPLOYMENT, "status": written}, status) is None
