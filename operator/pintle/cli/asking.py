"""A person's word: an annotation that the operator reads, carries out once and never removes (decision 0009)."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pintle.cli import errors
from pintle.cli.errors import CliError
from pintle.cli.facts import kept, name_of, namespace_of, status_of
from pintle.cli.kubectl import MODEL_DEPLOYMENT, TRAINING_JOB, Kubectl, Obj
from pintle.contract.names import ANNOTATION_ACTION, ANNOTATION_RUN

LONGEST_NAME = 40
POLL_SECONDS = 0.5
RUNNING = "Running"


@dataclass(frozen=True)
class Word:
    """What is asked of an object, and how its answer is found in the status."""

    kind: str
    namespace: str
    name: str
    annotation: str
    content: Mapping[str, Any]
    answer: Callable[[Obj, str], dict[str, Any] | None]
    hint: Callable[[Obj, str], str]

    @property
    def id(self) -> str:
        return str(self.content["id"])

    def view(self, answer: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """What was asked, and the answer where it is known."""
        return kept(
            of=self.kind, namespace=self.namespace, name=self.name, asked=dict(self.content), answer=dict(answer or {})
        )


def about_rollout(deployment: Obj, verb: str, by: str) -> Word:
    """promote, promote-fully, pause, resume, abort: of the canary, in a guard of the stable. Raises CliError."""
    status = status_of(deployment)
    guarded = (status.get("rollout") or {}).get("state") == "Guard"
    target = status.get("stable") if guarded else status.get("canary")
    if not target:
        name = name_of(deployment)
        raise CliError(
            f"{name} has neither a rollout nor a guard under way: there is nothing to {verb}."
            f" `kubectl pintle why {name}` says what it does."
        )
    return _word(deployment, verb, by, revision=target["revision"], version=target["version"])


def about_refused(deployment: Obj, verb: str, by: str, chosen: str) -> Word:
    """retry, clear: of a refused revision, by its name or as v4; the only one when not chosen. Raises CliError."""
    refused = list(status_of(deployment).get("refused") or ())
    names = [f"{item['revision']} (v{item.get('version', '?')})" for item in refused]
    found = [item for item in refused if not chosen or chosen in (item["revision"], f"v{item.get('version')}")]
    if not refused:
        raise CliError(f"{name_of(deployment)} has refused no revision: there is nothing to {verb}.")
    if len(found) != 1:
        wrong = f"has not refused {chosen}" if chosen and not found else "has refused several revisions"
        raise CliError(f"{name_of(deployment)} {wrong}; name one of {', '.join(names)}.", errors.USAGE)
    return _word(deployment, verb, by, revision=found[0]["revision"], version=found[0].get("version"))


def about_rollback(deployment: Obj, by: str, version: int | None) -> Word:
    """rollback: to a version, or to the one before."""
    return _word(deployment, "rollback", by, version=version)


def about_training(job: Obj, by: str) -> Word:
    """train: a run of a TrainingJob."""
    return Word(
        TRAINING_JOB, namespace_of(job), name_of(job), ANNOTATION_RUN, {"id": new_id(), "by": by}, _run_of, _held
    )


def new_id() -> str:
    """Never used before."""
    return uuid.uuid4().hex[:12]


def _word(deployment: Obj, verb: str, by: str, **fields: Any) -> Word:
    content = kept(verb=verb, id=new_id(), **fields, by=by[:LONGEST_NAME])
    where = namespace_of(deployment), name_of(deployment)
    return Word(MODEL_DEPLOYMENT, *where, ANNOTATION_ACTION, content, _action_of, lambda obj, identity: "")


def _action_of(deployment: Obj, identity: str) -> dict[str, Any] | None:
    action = status_of(deployment).get("action") or {}
    return dict(action) if action.get("id") == identity else None


def _run_of(job: Obj, identity: str) -> dict[str, Any] | None:
    """The run that the word has started, once it is over."""
    for run in status_of(job).get("runs") or ():
        trigger = run.get("trigger") or {}
        if trigger.get("id") == identity and run["result"] != RUNNING:
            result = "Done" if run["result"] in ("Succeeded", "Unchanged") else "Refused"
            facts = {key: run.get(key) for key in ("reason", "message", "version")}
            return {"id": identity, "result": result, "run": run["name"], "runResult": run["result"], **kept(**facts)}
    return None


def _held(job: Obj, identity: str) -> str:
    governor = status_of(job).get("governor") or {}
    if (governor.get("refused") or {}).get("id") == identity:
        return f" It is held back: {governor.get('reason')}: {governor.get('message', '')}"
    going = [
        run["name"] for run in status_of(job).get("runs") or () if (run.get("trigger") or {}).get("id") == identity
    ]
    return f" Run {going[0]} goes on." if going else " The operator has not taken it up: is it running?"


def say(kubectl: Kubectl, word: Word) -> None:
    """Writes the annotation. Raises CliError."""
    kubectl.annotate(word.kind, word.namespace, word.name, word.annotation, json.dumps(word.content))


def wait(kubectl: Kubectl, word: Word, timeout: float) -> dict[str, Any]:
    """The answer, as soon as the status has it. Raises CliError when the time is over."""
    end = time.monotonic() + timeout
    while True:
        obj = kubectl.object(word.kind, word.namespace, word.name)
        answer = word.answer(obj, word.id)
        if answer is not None:
            return answer
        if time.monotonic() > end:
            hint = word.hint(obj, word.id)
            raise CliError(f"No answer within {timeout:g} s; what was asked stays asked.{hint}", errors.TIME_IS_OVER)
        time.sleep(POLL_SECONDS)


def lines(view: Mapping[str, Any]) -> list[str]:
    """What was asked, and what became of it."""
    asked, answer = view["asked"], view.get("answer")
    verb = asked.get("verb", "train")
    about = "".join(
        (
            f" revision {asked['revision']}" if asked.get("revision") else "",
            f" (version {asked['version']})" if asked.get("version") and asked.get("revision") else "",
            f" to version {asked['version']}" if asked.get("version") and not asked.get("revision") else "",
        )
    )
    made = [f"Asked {view['of']} {view['name']} to {verb}{about}, as {asked['by']} (id {asked['id']})."]
    if answer:
        run = f" run {answer['run']} {answer['runResult']} {answer.get('reason', '')}" if answer.get("run") else ""
        told = f": {answer['message']}" if answer.get("message") else "."
        made.append(f"{answer['result']}{run}{told}")
    else:
        why = f"{'tj/' if view['of'] == TRAINING_JOB else ''}{view['name']}"
        made.append(f"The operator answers in its status: kubectl pintle why {why}, or --wait.")
    return made
