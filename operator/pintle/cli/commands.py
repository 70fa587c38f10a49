"""One function for each command: asks the cluster, and gives what it found for programs and for people."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime

from pintle.cli import asking, audit, difference, errors, lineage, model_tree, record_live, run_list, why, why_text
from pintle.cli.answer import Answer
from pintle.cli.backtest import backtest
from pintle.cli.errors import CliError, not_found
from pintle.cli.facts import World, model_of, name_of
from pintle.cli.kubectl import MODEL_DEPLOYMENT, MODEL_VERSION, TRAINING_JOB, Kubectl, Missing, Obj
from pintle.cli.text import clean

SHORT = {
    "mdep": MODEL_DEPLOYMENT, "modeldeployment": MODEL_DEPLOYMENT, "modeldeployments": MODEL_DEPLOYMENT,
    "tj": TRAINING_JOB, "trainingjob": TRAINING_JOB, "trainingjobs": TRAINING_JOB,
    "mver": MODEL_VERSION, "modelversion": MODEL_VERSION, "modelversions": MODEL_VERSION,
}  # fmt: skip
VERBS = ("promote", "pause", "resume", "abort", "retry", "rollback", "clear", "train")


def now() -> datetime:
    return datetime.now(UTC)


def get(kubectl: Kubectl, arguments: argparse.Namespace) -> Answer:
    """Trees of one model or of all."""
    namespace = None if arguments.all_namespaces else kubectl.namespace()
    found = model_tree.models(World.of(kubectl.objects(namespace)))
    if arguments.model:
        known = [item["model"] for item in found]
        found = [item for item in found if item["model"] == arguments.model]
        if not found:
            raise not_found("model", arguments.model, known, _where(namespace))
    lines = model_tree.lines(clean(found), now())
    return Answer("ModelList", {"items": found}, lines or [f"There are no models in {_where(namespace)}."])


def runs(kubectl: Kubectl, arguments: argparse.Namespace) -> Answer:
    """Runs of one TrainingJob or of all."""
    namespace = None if arguments.all_namespaces else kubectl.namespace()
    jobs = World.of(kubectl.objects(namespace)).jobs
    if arguments.name:
        chosen = [job for job in jobs if name_of(job) == arguments.name.removeprefix("tj/")]
        if not chosen:
            raise not_found("TrainingJob", arguments.name, map(name_of, jobs), _where(namespace))
        jobs = tuple(chosen)
    found = run_list.all_runs(jobs)
    lines = run_list.lines(clean(found), now()) or [f"There are no runs in {_where(namespace)}."]
    return Answer("RunList", {"items": found}, lines)


def explain(kubectl: Kubectl, arguments: argparse.Namespace) -> Answer:
    """`why`; with --record the rollout as a file that can be replayed."""
    namespace = kubectl.namespace()
    world = World.of(kubectl.objects(namespace))
    if arguments.record:
        deployment, _ = chosen(world, arguments.name, namespace, (MODEL_DEPLOYMENT,))
        return record_live.record(kubectl, deployment, arguments)
    obj, others = chosen(world, arguments.name, namespace, (MODEL_DEPLOYMENT, TRAINING_JOB, MODEL_VERSION))
    view = why.explain(world, obj, now())
    hint = [f"There is also: {', '.join(others)}"] if others else []
    return Answer("Why", view, [*why_text.lines(clean(view), now()), *hint])


def origin(kubectl: Kubectl, arguments: argparse.Namespace) -> Answer:
    """`lineage`."""
    namespace = kubectl.namespace()
    world = World.of(kubectl.objects(namespace))
    obj, _ = chosen(world, arguments.name, namespace, (MODEL_DEPLOYMENT, MODEL_VERSION))
    view = lineage.lineage(world, obj)
    return Answer("Lineage", view, lineage.lines(clean(view)))


def diff(kubectl: Kubectl, arguments: argparse.Namespace) -> Answer:
    """Two versions of a model."""
    namespace = kubectl.namespace()
    versions = World.of(kubectl.objects(namespace)).versions
    old, new = (_version(versions, name, arguments.model, namespace) for name in (arguments.old, arguments.new))
    view = difference.difference(old, new)
    return Answer("Difference", view, difference.lines(clean(view)))


def say(kubectl: Kubectl, arguments: argparse.Namespace) -> Answer:
    """A person's word; with --wait also what became of it."""
    kind = TRAINING_JOB if arguments.command == "train" else MODEL_DEPLOYMENT
    namespace = kubectl.namespace()
    obj = _one(kubectl, kind, namespace, arguments.name.rpartition("/")[2])
    word = _word(obj, arguments, kubectl.user())
    asking.say(kubectl, word)
    if not arguments.wait:
        return Answer("Word", word.view(), asking.lines(clean(word.view())))
    answer = asking.wait(kubectl, word, arguments.timeout)
    code = errors.DONE if answer["result"] == "Done" else errors.NOT_DONE
    return Answer("Word", word.view(answer), asking.lines(clean(word.view(answer))), code)


def _word(obj: Obj, arguments: argparse.Namespace, by: str) -> asking.Word:
    verb = arguments.command
    if verb == "train":
        return asking.about_training(obj, by)
    if verb == "rollback":
        return asking.about_rollback(obj, by, arguments.to_version)
    if verb in ("retry", "clear"):
        return asking.about_refused(obj, verb, by, arguments.revision)
    return asking.about_rollout(obj, "promote-fully" if verb == "promote" and arguments.fully else verb, by)


def check(kubectl: Kubectl, arguments: argparse.Namespace) -> Answer:
    """`audit`."""
    lines = list(audit.decision_lines(_read(arguments.file)))
    if not arguments.verify:
        found = audit.decisions(lines, arguments.of)
        return Answer("DecisionList", {"items": found}, audit.table_lines(clean(found)))
    report = audit.verify(lines, arguments.from_middle)
    code = errors.DONE if report["whole"] else errors.NOT_DONE
    return Answer("Verification", report, audit.verdict_lines(clean(report)), code)


def _read(file: str) -> list[bytes]:
    if file == "-":
        return sys.stdin.buffer.readlines()
    try:
        with open(file, "rb") as opened:
            return opened.readlines()
    except OSError as error:
        raise CliError(f"{file} cannot be read: {error.strerror}.", errors.NOT_FOUND) from error


# Finding objects ------------------------------------------------------------------------------------------------------


def chosen(world: World, name: str, namespace: str, kinds: Sequence[str]) -> tuple[Obj, list[str]]:
    """The object that a person means, of the first of the kinds that has one; and what else has the name."""
    short, _, plain = name.rpartition("/")
    if short and short.lower() not in SHORT:
        raise CliError(f"There is no kind {short}; write mdep/{plain}, tj/{plain} or mver/{plain}.", errors.USAGE)
    asked = [SHORT[short.lower()]] if short else list(kinds)
    groups = {MODEL_DEPLOYMENT: world.deployments, TRAINING_JOB: world.jobs, MODEL_VERSION: world.versions}
    candidates = [obj for kind in asked if kind in kinds for obj in groups[kind]]
    found = [obj for obj in candidates if name_of(obj) == plain]
    if not found:
        what = " or ".join(kind for kind in asked)
        raise not_found(what, plain, map(name_of, candidates), _where(namespace))
    words = {MODEL_DEPLOYMENT: "mdep", TRAINING_JOB: "tj", MODEL_VERSION: "mver"}
    return found[0], [f"{words[obj['kind']]}/{name_of(obj)}" for obj in found[1:]]


def _version(versions: Sequence[Obj], name: str, model: str, namespace: str) -> Obj:
    """`delays-v3`, or `v3` (or `3`) of the only model, or of the one that was named. Raises CliError."""
    short = re.fullmatch(r"v?([1-9][0-9]*)", name)
    if short:
        models = {model} if model else {model_of(obj) for obj in versions}
        if len(models) > 1:
            raise CliError(
                f"{name} of which model? Write {sorted(models)[0]}-{name}, or --model {sorted(models)[0]}.",
                errors.USAGE,
            )
        name = f"{models.pop() if models else model}-v{short[1]}"
    found = next((obj for obj in versions if name_of(obj) == name.removeprefix("mver/")), None)
    if found is None:
        raise not_found("ModelVersion", name, map(name_of, versions), _where(namespace))
    return found


def _one(kubectl: Kubectl, kind: str, namespace: str, name: str) -> Obj:
    """The object. Raises CliError with names that look like it where there is none."""
    try:
        return kubectl.object(kind, namespace, name)
    except Missing:
        there: Iterable[str] = (name_of(obj) for obj in kubectl.objects(namespace) if obj["kind"] == kind)
        raise not_found(kind, name, there, _where(namespace)) from None


def _where(namespace: str | None) -> str:
    return f"namespace {namespace}" if namespace else "any namespace"


COMMANDS: Mapping[str, Callable[[Kubectl, argparse.Namespace], Answer]] = {
    "get": get,
    "why": explain,
    "lineage": origin,
    "runs": runs,
    "diff": diff,
    "audit": check,
    "backtest": backtest,
    **dict.fromkeys(VERBS, say),
}
