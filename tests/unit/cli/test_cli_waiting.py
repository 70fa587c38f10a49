"""What a deployment waits for, as sentences."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from pintle.cli.queries import BAD_RESULTS, query_of
from pintle.cli.waiting import waits_for

from tests.story import DELAYS, NOW, at

BROKEN = [{"name": "errors", "verdict": "SourceError", "message": "no answer within 2 s"}]
CASES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "a person": (
        {"paused": "step 2 is a pause"},
        [
            "Paused: step 2 is a pause. `kubectl pintle resume delays` goes on, `promote delays` takes the next step, "
            "`abort delays` goes back."
        ],
    ),
    "the time of a step": (
        {"tests": [], "endTime": None},
        ["Step 2 of 3 lasts 10m more at least."],
    ),
    "evidence": (
        {"stepTime": at("11:00"), "endTime": None, "expectedSeconds": 240},
        ["Evidence on missing, enough in about 4m at the present rate."],
    ),
    "figures of a test": ({"stepTime": at("11:00"), "endTime": None, "tests": BROKEN},
        ["Figures of errors: no answer within 2 s."],
    ),
    "figures at all": (
        {"stepTime": at("11:00"), "endTime": None, "tests": [], "verdict": "SourceError"},
        ["Figures: Prometheus does not answer. Nothing is promoted or rolled back without them."],
    ),
    "pods": ({"step": None, "stepTime": None, "endTime": None, "tests": []},
        ["The first traffic: the canary is warmed, or its pods are not ready yet."],
    ),
    "the deadline": (
        {"stepTime": at("11:00"), "tests": [], "endTime": at("12:40")},
        ["The deadline is in 10m; without an answer till then: Pause."],
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", CASES)
def test_it_waits_for(what: str) -> None:
    """One sentence for each thing that is missing."""
    changes, sentences = CASES[what]
    deployment = copy.deepcopy(DELAYS)
    rollout = deployment["status"]["rollout"]
    rollout |= changes
    for key in [key for key, value in changes.items() if value is None]:
        del rollout[key]
    assert waits_for(deployment, NOW) == sentences


def test_without_a_rollout_the_condition_speaks() -> None:
    """A replacement at once has its own words, and a deployment at rest waits for nothing."""
    deployment = copy.deepcopy(DELAYS)
    del deployment["status"]["rollout"]
    assert waits_for(deployment, NOW) == ["version 4 as 9f8e7d6c: step 2 of 3"]
    deployment["status"]["conditions"][1]["status"] = "False"
    assert waits_for(deployment, NOW) == []


def test_queries_name_the_deployment() -> None:
    """Own metrics as they were written, with the names in; Pintle's as they are counted; none for restarts."""
    assert query_of(DELAYS, "basket") == 'avg(basket{namespace="demo",revision="$revision"})'
    assert 'namespace="demo",deployment="delays"' in query_of(DELAYS, "errors")
    assert query_of(DELAYS, "restarts") == ""


def test_errors_are_those_of_the_judgement() -> None:
    """The query counts the same answers as the test does."""
    outcomes = pytest.importorskip("pintle.core.judgement.outcomes")
    assert set(BAD_RESULTS) == set(outcomes.BAD_RESULTS)
