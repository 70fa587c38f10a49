"""examples/argocd in Lua 5.1 with no more libraries than Argo CD opens: base, table and a few functions of os."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from lupa.lua51 import LuaError, LuaRuntime
from pintle.core.rollout.word import parse
from pintle.core.training.triggers import asked_by_person

from tests.story import DELAYS, FARES, JOB, LOST, VERSIONS, condition

ROOT = Path(__file__).parents[3]
CONFIG: dict[str, str] = yaml.safe_load((ROOT / "examples/argocd/argocd-cm.yaml").read_text())["data"]
CLOSED = ("string", "io", "math", "debug", "coroutine", "dofile", "loadfile")
ABOUT_ROLLOUT = ("promote", "promote-fully", "pause", "resume", "abort")
Obj = dict[str, Any]


def run(script: str, obj: Obj) -> Any:
    """What the script returns for this object, as Argo CD's server gets it. Raises LuaError."""
    lua = LuaRuntime(unpack_returned_tuples=True)
    for name in CLOSED:
        lua.globals()[name] = None
    lua.globals().obj = lua.table_from(obj, recursive=True)
    return data(lua.execute(script))


def data(value: Any) -> Any:
    """Python data out of a Lua table; one that counts from 1 is a list."""
    if not hasattr(value, "items"):
        return value
    found = {key: data(inner) for key, inner in value.items()}
    return list(found.values()) if found and set(found) == set(range(1, len(found) + 1)) else found


def health(obj: Obj) -> tuple[str, str]:
    found = run(CONFIG[f"resource.customizations.health.pintle.dev_{obj['kind']}"], obj)
    return found["status"], found["message"]


def actions(kind: str) -> Any:
    return yaml.safe_load(CONFIG[f"resource.customizations.actions.pintle.dev_{kind}"])


def offered(obj: Obj) -> set[str]:
    """Names of the actions that a person can click."""
    found = run(actions(obj["kind"])["discovery.lua"], obj)
    return {name for name, facts in found.items() if not facts.get("disabled")}


def clicked(obj: Obj, name: str) -> Obj:
    (script,) = (item["action.lua"] for item in actions(obj["kind"])["definitions"] if item["name"] == name)
    live = copy.deepcopy(obj)
    live["metadata"]["resourceVersion"] = "4711"
    return dict(run(script, live))


def changed(obj: Obj, **status: Any) -> Obj:
    """With other fields of the status; None takes one away."""
    other = copy.deepcopy(obj)
    other["status"] |= status
    other["status"] = {key: value for key, value in other["status"].items() if value is not None}
    return other


def paused(obj: Obj) -> Obj:
    held = [condition(kind, "False", "Paused", "paused by ann") for kind in ("Progressing", "Ready")]
    return changed(obj, rollout={**obj["status"]["rollout"], "paused": "paused by ann"}, conditions=held)


READY = condition("Ready", "True", "Ready", "version 3 carries all traffic")
ROLLED_BACK = [
    condition("Available", "True", "Serving"),
    condition("Progressing", "False", "Complete"),
    condition("Ready", "False", "RolledBack", "errors: 0.051 against 0.0011"),
]
ZERO = [condition("Progressing", "False", "Complete"), condition("Ready", "False", "ScaledToZero", "as asked")]
NONE_YET = [
    condition("Progressing", "False", "WaitingForVersion", "no version is Ready"),
    condition("Ready", "False", "WaitingForVersion"),
]
CHECKING = condition("Ready", "Unknown", "Checking", "Check 1")
RUNNING = condition("Succeeded", "Unknown", "Running", "Training")
HEALTH: dict[str, tuple[Obj, str, str]] = {
    "a rollout": (DELAYS, "Progressing", "version 4 as 9f8e7d6c: step 2 of 3"),
    "a rollout that a person has paused": (paused(DELAYS), "Suspended", "paused by ann"),
    "all traffic on what is asked for": (changed(DELAYS, conditions=[READY]), "Healthy", READY["message"]),
    "a rollback": (changed(DELAYS, conditions=ROLLED_BACK), "Degraded", "RolledBack: errors: 0.051 against 0.0011"),
    "a version that is not there": (LOST, "Degraded", "VersionNotFound: there is no ModelVersion fares-v9"),
    "no version yet to follow": (changed(LOST, conditions=NONE_YET), "Progressing", "no version is Ready"),
    "no pods, as asked": (changed(LOST, conditions=ZERO), "Suspended", "as asked"),
    "a deployment that was just made": ({**LOST, "status": {}}, "Progressing", "the operator has not looked at it yet"),
    "a version": (VERSIONS[0], "Healthy", ""),
    "a version with other bytes": (VERSIONS[-1], "Degraded", "model.onnx holds other bytes"),
    "a version that is looked at": (
        changed(VERSIONS[0], conditions=[CHECKING]), "Progressing", "Check 1",
    ),
    "a run that made a version": (JOB, "Healthy", "delays-v4: auc 0.712"),
    "a run that goes on": (changed(JOB, conditions=[RUNNING]), "Progressing", "Training"),
    "a suspended job": (
        changed(JOB, conditions=[condition("Succeeded", "Unknown", "Suspended", "stopped")]), "Suspended", "stopped",
    ),
    "a job that was just made": ({**JOB, "status": {}}, "Progressing", "no run has begun"),
}  # fmt: skip


@pytest.mark.parametrize("what", HEALTH)
def test_health(what: str) -> None:
    """By the conditions, with a message for the person who looks at the tree."""
    obj, state, message = HEALTH[what]
    assert health(obj) == (state, message)


@pytest.mark.parametrize("obj", [DELAYS, JOB], ids=["ModelDeployment", "TrainingJob"])
def test_a_change_that_the_operator_has_not_seen_is_not_healthy(obj: Obj) -> None:
    """Else a sync wave would go on before anything has happened."""
    later = changed(obj, conditions=[{**READY, "type": "Succeeded" if obj is JOB else "Ready"}], observedGeneration=1)
    assert health(later)[0] == "Healthy"
    later["metadata"]["generation"] = 2
    assert health(later)[0] == "Progressing"


def test_every_state_has_a_health() -> None:
    """All states of the table of conditions: Ready is Healthy, what goes on is Progressing, no script breaks."""
    table = (ROOT / "tests/golden/rollout/conditions.txt").read_text()
    states = [dict(re.findall(r"(\w+)=(\w+/\w+)", line)) for line in table.splitlines() if "Ready=" in line]
    assert len(states) > 20
    for state in states:
        conditions = [condition(kind, *value.split("/")) for kind, value in state.items()]
        found, _ = health(changed(LOST, conditions=conditions))
        going = state["Progressing"].startswith("True")
        if state["Ready"].startswith("True"):
            assert found == "Healthy"
        else:
            assert found in (("Progressing", "Suspended") if going else ("Degraded", "Suspended", "Progressing"))


@pytest.mark.parametrize(
    ("obj", "names"),
    [
        (DELAYS, {"promote", "promote-fully", "pause", "abort", "rollback", "retry", "clear"}),
        (paused(DELAYS), {"promote", "promote-fully", "resume", "abort", "rollback", "retry", "clear"}),
        (FARES, {"promote-fully", "pause", "abort", "rollback"}),
        (LOST, set()),
        ({**LOST, "status": None}, set()),
        (JOB, {"train"}),
    ],
    ids=["a canary", "a paused one", "a guard", "nothing serves", "not seen yet", "a job"],
)
def test_actions_that_are_offered(obj: Obj, names: set[str]) -> None:
    """Those that the operator could carry out now; all have a script."""
    assert offered(obj) == names
    found = run(actions(obj["kind"])["discovery.lua"], obj)
    assert set(found) == {item["name"] for item in actions(obj["kind"])["definitions"]}


@pytest.mark.parametrize(
    ("obj", "verb", "revision"),
    [
        *((DELAYS, verb, "9f8e7d6c") for verb in ABOUT_ROLLOUT),
        *((FARES, verb, "aaaaaaaa") for verb in ABOUT_ROLLOUT),
        *((DELAYS, verb, "5d5d5d5d") for verb in ("retry", "clear")),
        (DELAYS, "rollback", ""),
    ],
)
def test_an_action_is_a_word_that_the_operator_reads(obj: Obj, verb: str, revision: str) -> None:
    """Of the revision that the person saw; nothing else of the object is another one."""
    after = clicked(obj, verb)
    spoken = parse(after["metadata"]["annotations"]["pintle.dev/action"])
    assert (spoken.verb, spoken.revision, spoken.id, spoken.by) == (verb, revision, "argocd-4711", "argocd")
    assert after["spec"] == obj["spec"]


def test_train_is_a_wish_that_the_operator_reads() -> None:
    """The annotation of a run, beside those that are there."""
    job = copy.deepcopy(JOB)
    job["metadata"]["annotations"] = {"team": "a"}
    after = clicked(job, "train")
    trigger, problem = asked_by_person(after)
    assert problem == ""
    assert trigger is not None
    assert (trigger.id, trigger.source) == ("argocd-4711", "argocd")
    assert after["metadata"]["annotations"]["team"] == "a"


@pytest.mark.parametrize("verb", [*ABOUT_ROLLOUT, "retry", "clear"])
def test_an_action_that_came_too_late_writes_nothing(verb: str) -> None:
    """The person is told."""
    with pytest.raises(LuaError, match=r"under way|no revision is refused"):
        clicked(LOST, verb)


def test_it_is_about_the_three_kinds_only() -> None:
    """Every value is a text, and no customization of another kind is touched."""
    names = {key.rpartition(".pintle.dev_")[2] for key in CONFIG}
    assert names == {"ModelDeployment", "ModelVersion", "TrainingJob"}
    assert all(isinstance(value, str) and ".pintle.dev_" in key for key, value in CONFIG.items())
