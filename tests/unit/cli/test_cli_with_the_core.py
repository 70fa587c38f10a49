"""The plugin and Argo CD's scripts with statuses that the operator's core has decided, and words that it hears."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from pintle.cli import asking, lineage, model_tree, why, why_text
from pintle.cli.facts import World
from pintle.cli.text import plain

from tests.serving_world import Serving
from tests.unit.argocd.test_argocd import clicked, health, offered
from tests.unit.core.rollout.canaries import at_step, in_guard, rolled_back

PAUSE = {"steps": [{"weight": 10, "minSeconds": 20}, {"pause": True}, {"weight": 50, "minSeconds": 20}]}


def judged() -> Serving:
    made = at_step(1)
    made.judge("NeedMoreData", rows=300)
    made.act()
    return made


def at_pause() -> Serving:
    made = at_step(1, rollout=PAUSE)
    made.judge("Pass", rows=3000)
    made.until(lambda serving: serving.conditions()["Ready"][1] == "Paused")
    return made


SCENES: dict[str, tuple[Callable[[], Serving], list[str], str]] = {
    "a canary": (judged, ["Step 1 of 2 lasts 1", "Evidence on errors", "errors   NeedMoreData"], "Progressing"),
    "a pause": (at_pause, ["Step 2 is a pause: `kubectl pintle resume delays`"], "Suspended"),
    "a guard": (in_guard, ["is the way back", "Promote", "all tests pass"], "Progressing"),
    "a rollback": (
        rolled_back,
        ["Ready False RolledBack", "kubectl pintle clear delays", "evidence 9.1 of"],
        "Degraded",
    ),
}


def objects(made: Serving) -> World:
    kinds = ("ModelDeployment", "ModelVersion", "TrainingJob")
    return World.of(obj for obj in made.world.objects.values() if obj["kind"] in kinds)


@pytest.mark.parametrize("what", SCENES)
def test_what_the_core_decides_is_told(what: str) -> None:
    """why says where it stands and what it waits for; get and lineage read the same status; Argo CD has a health."""
    build, sentences, state = SCENES[what]
    made = build()
    world, now = objects(made), made.world.now
    text = plain("\n".join(why_text.lines(why.explain(world, made.parent, now), now)))
    assert [sentence for sentence in sentences if sentence not in text] == []
    assert model_tree.lines(model_tree.models(world), now)
    assert lineage.lines(lineage.lineage(world, made.parent))
    assert health(made.parent)[0] == state


def about(verb: str) -> Callable[[dict[str, Any]], str]:
    """The word of the plugin, as the annotation has it."""

    def word(deployment: dict[str, Any]) -> str:
        if verb in ("retry", "clear"):
            return json.dumps(dict(asking.about_refused(deployment, verb, "ann", "").content))
        if verb == "rollback":
            return json.dumps(dict(asking.about_rollback(deployment, "ann", None).content))
        return json.dumps(dict(asking.about_rollout(deployment, verb, "ann").content))

    return word


def by_argocd(verb: str) -> Callable[[dict[str, Any]], str]:
    """The word of an action, which is offered."""

    def word(deployment: dict[str, Any]) -> str:
        assert verb in offered(deployment)
        return str(clicked(deployment, verb)["metadata"]["annotations"]["pintle.dev/action"])

    return word


HEARD = [
    (judged, "promote"),
    (judged, "promote-fully"),
    (judged, "pause"),
    (judged, "abort"),
    (judged, "rollback"),
    (at_pause, "resume"),
    (at_pause, "promote"),
    (in_guard, "promote-fully"),
    (in_guard, "pause"),
    (in_guard, "abort"),
    (rolled_back, "retry"),
    (rolled_back, "clear"),
]


@pytest.mark.parametrize("says", [about, by_argocd], ids=["kubectl pintle", "Argo CD"])
@pytest.mark.parametrize(
    ("build", "verb"), HEARD, ids=lambda value: value if isinstance(value, str) else value.__name__
)
def test_the_core_hears_every_word(
    build: Callable[[], Serving], verb: str, says: Callable[[str], Callable[[dict[str, Any]], str]]
) -> None:
    """Done, with the id that --wait looks for."""
    made = build()
    text = says(verb)(made.parent)
    made.annotate(text)
    made.act()
    action = made.status["action"]
    assert (action["id"], action["result"]) == (json.loads(text)["id"], "Done"), action
