"""A person's word: one annotation on the ModelDeployment, heard once, never removed by us.

    {"verb": "promote", "id": "a1", "revision": "ab12cd34", "by": "ann"}

A word only says what is wanted: it changes intentions in the record (steps asked for, a pause, a refusal, the way
back). The chain of moves does the rest, with the same care as ever. A word that is meant for another moment is Stale.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pintle.contract import names
from pintle.contract.digest import digest_value, short
from pintle.core.rollout.course import position
from pintle.core.rollout.deeds import ASK, CLEAR, PAUSE, REFUSE, RESUME, Figures, Word
from pintle.core.rollout.look import Look
from pintle.core.rollout.move import deed
from pintle.core.rollout.record import Record
from pintle.core.rollout.request import revision_of_version
from pintle.core.rollout.sight import failing, in_words
from pintle.resources.revision import Revision, revision_name

DONE, STALE, REFUSED = "Done", "Stale", "Refused"
MAX_ID = 63
MAX_BY = 40
_REVISION = re.compile(r"^[0-9a-f]{8}$")


@dataclass(frozen=True)
class Spoken:
    """What the annotation says."""

    verb: str
    id: str
    revision: str = ""
    version: int | None = None
    by: str = ""


@dataclass(frozen=True)
class Heard:
    """The record with what is wanted now, and the answer."""

    record: Record
    result: str
    message: str


class NotSaid(Exception):
    """The annotation cannot be read; the message says why."""


def heed(look: Look) -> Look:
    """The look with the person's word in its record; unchanged where there is none, or it was heard before."""
    text = (look.observed.parent["metadata"].get("annotations") or {}).get(names.ANNOTATION_ACTION)
    if not text:
        return look
    error = ""
    try:
        spoken = parse(text)
    except NotSaid as problem:
        # Once per text.
        spoken, error = Spoken(verb="", id=f"unreadable-{short(digest_value(text))}"), str(problem)
    known = look.record.word
    if known is not None and known.id == spoken.id:
        return look
    heard = Heard(look.record, REFUSED, error) if error else _answer(look, spoken)
    word = Word(spoken.id, spoken.verb, heard.result, heard.message, spoken.by, look.time)
    return look.with_record(heard.record.with_(word=word))


def parse(text: str) -> Spoken:
    """Raises NotSaid with what is wrong."""
    try:
        raw = json.loads(text)
    except ValueError as error:
        raise NotSaid(f"{names.ANNOTATION_ACTION} is no JSON: {error}") from error
    if not isinstance(raw, Mapping):
        raise NotSaid(f"{names.ANNOTATION_ACTION} is no JSON object")
    verb, id_ = raw.get("verb"), raw.get("id")
    if verb not in VERBS:
        raise NotSaid(f"verb is none of {', '.join(VERBS)}")
    if not isinstance(id_, str) or not 0 < len(id_) <= MAX_ID:
        raise NotSaid(f"id is a text of 1 to {MAX_ID} characters, another for every word")
    revision, version, by = raw.get("revision") or "", raw.get("version"), raw.get("by") or ""
    if not isinstance(revision, str) or (revision and not _REVISION.match(revision)):
        raise NotSaid("revision has eight hexadecimal digits")
    if version is not None and (not isinstance(version, int) or isinstance(version, bool) or version < 1):
        raise NotSaid("version is a whole number from 1")
    return Spoken(str(verb), id_, revision, version, str(by)[:MAX_BY])


def _answer(look: Look, spoken: Spoken) -> Heard:
    record = look.record
    if not look.recorded and not look.status:
        return Heard(record, STALE, "it was there before the first look, or before everything was lost")
    if not record.stable:
        return Heard(record, STALE, "nothing serves yet")
    return VERBS[spoken.verb](look, spoken)


def _on_trial(look: Look, spoken: Spoken) -> Revision | Heard:
    """The revision that the word is meant for, if it is the one on trial or on its way there."""
    record, coming = look.record, look.successor
    now = record.stable if record.in_guard else record.canary or (coming.name if coming else "")
    if not spoken.revision:
        hint = f"; now that is {now}" if now else ""
        return Heard(record, REFUSED, f"revision is missing: which one is it meant for?{hint}")
    if spoken.revision != now:
        found = f"{now} is" if now else "none is"
        return Heard(record, STALE, f"revision {spoken.revision} is not on trial: {found}")
    target = look.request.target
    facts = record.revisions.get(now) or (target if target and target.name == now else None)
    assert facts is not None, "what is on trial is in the record or requested"
    return facts


def _promote(look: Look, spoken: Spoken) -> Heard:
    at = position(look.record, look.steps)
    return _forward(look, spoken, at + 1)


def _promote_fully(look: Look, spoken: Spoken) -> Heard:
    return _forward(look, spoken, len(look.steps) + 1)


def _forward(look: Look, spoken: Spoken, wanted: int) -> Heard:
    revision = _on_trial(look, spoken)
    if isinstance(revision, Heard):
        return revision
    record, test = look.record, failing(look.sight)
    if test is not None and look.acts:
        return Heard(record, REFUSED, f"it fails: {in_words(test)}")
    if not record.in_guard and not record.canary:
        return Heard(record, REFUSED, "its pods are not ready yet; promote-fully is heard once it is in the route")
    if record.in_guard:
        return Heard(record.on(asked=1), DONE, "the guard ends")
    what = "it is promoted" if wanted > len(look.steps) else f"step {wanted} of {len(look.steps)}"
    last = deed(look, ASK, revision, f"{spoken.verb}: {what}", Figures(by=spoken.by))
    asked = record.on(asked=max(wanted, record.course.asked), paused="").with_(last=last)
    return Heard(asked, DONE, f"{what} as soon as its pods are ready")


def _pause(look: Look, spoken: Spoken) -> Heard:
    revision = _on_trial(look, spoken)
    if isinstance(revision, Heard):
        return revision
    if not look.record.canary and not look.record.in_guard:
        return Heard(look.record, REFUSED, "it is not in the route yet")
    why = f"paused by {spoken.by or 'a person'}"
    last = deed(look, PAUSE, revision, why, Figures(by=spoken.by))
    return Heard(look.record.on(paused=why, asked=0).with_(last=last), DONE, "a failure still takes it back")


def _resume(look: Look, spoken: Spoken) -> Heard:
    revision = _on_trial(look, spoken)
    if isinstance(revision, Heard):
        return revision
    record, at = look.record, position(look.record, look.steps)
    at_pause = bool(at) and bool(look.steps[at - 1].pause) and record.course.released != at
    if not record.course.paused and not at_pause:
        return Heard(record, REFUSED, "it is not paused")
    course = record.course
    record = record.on(paused="", released=at if at_pause else course.released, due=look.time if course.due else "")
    last = deed(look, RESUME, revision, f"resumed by {spoken.by or 'a person'}", Figures(by=spoken.by))
    return Heard(record.with_(last=last), DONE, "")


def _abort(look: Look, spoken: Spoken) -> Heard:
    record = look.record
    if record.back and spoken.revision == record.back:
        cleared = deed(look, CLEAR, record.revisions[record.back], "nobody goes back to it now", Figures(by=spoken.by))
        return Heard(record.with_(back="", last=cleared), DONE, f"{record.stable} serves on")
    revision = _on_trial(look, spoken)
    if isinstance(revision, Heard):
        return revision
    heir = record.previous if record.in_guard else record.stable
    in_route = record.in_guard or bool(record.canary)
    if in_route and look.fleet.ready(revision.name) and not look.fleet.ready(heir):
        return Heard(record, REFUSED, f"revision {heir} has no ready pod to take its traffic")
    why = f"aborted by {spoken.by or 'a person'}"
    last = record.last if in_route else deed(look, REFUSE, revision, why, Figures(by=spoken.by))
    return Heard(record.refuse(revision, why, look.time).with_(last=last), DONE, "it is not tried again")


def _clear(look: Look, spoken: Spoken) -> Heard:
    record, name = look.record, spoken.revision
    if not name:
        return Heard(record, REFUSED, "revision is missing: which refusal?")
    refusal = record.refused.get(name)
    if refusal is None:
        return Heard(record, STALE, f"revision {name} is not refused")
    requested = look.request.revision
    if spoken.verb == "retry" and (requested is None or requested.name != name):
        return Heard(record, STALE, f"the spec does not ask for revision {name}; clear forgets its refusal")
    left = {key: value for key, value in record.refused.items() if key != name}
    facts = Revision(name, refusal.version, "", "", "")
    last = deed(look, CLEAR, facts, f"{spoken.verb} by {spoken.by or 'a person'}", Figures(by=spoken.by))
    again = requested is not None and requested.name == name
    return Heard(record.with_(refused=left, last=last), DONE, "it is tried again" if again else "")


def _rollback(look: Look, spoken: Spoken) -> Heard:
    record = look.record
    current = record.revisions[record.previous or record.stable]
    on_trial = record.stable if record.in_guard else record.canary
    if (spoken.version is None or spoken.version == current.version) and on_trial:
        return _abort(look, Spoken(spoken.verb, spoken.id, on_trial, None, spoken.by))
    serving = record.revisions[record.stable]
    if spoken.version == serving.version and record.back:
        return _abort(look, Spoken(spoken.verb, spoken.id, record.back, None, spoken.by))
    if spoken.version == serving.version:
        return Heard(record, REFUSED, f"version {spoken.version} serves already")
    goal, problem = _goal(look, spoken.version)
    if goal is None:
        return Heard(record, REFUSED, problem)
    refused = {name: refusal for name, refusal in record.refused.items() if name != goal.name}
    record = record.with_(refused=refused, back=goal.name, revisions={**record.revisions, goal.name: goal})
    why = f"{spoken.by or 'a person'} goes back to version {goal.version}"
    if on_trial and on_trial != goal.name:
        record = record.refuse(record.revisions[on_trial], why, look.time)
    record = record.with_(last=deed(look, ASK, goal, f"rollback: {why}", Figures(by=spoken.by)))
    return Heard(record, DONE, f"revision {goal.name} serves as soon as its pods are ready")


def _goal(look: Look, version: int | None) -> tuple[Revision | None, str]:
    """The revision to go back to: one whose pods are there, else one that can be brought up."""
    record = look.record
    there = [made for name in record.retiring if (made := look.fleet.member(name).made_of) is not None]
    if version is None:
        former = record.revisions.get(record.former)
        if former is None:
            return None, "nothing served before: name a version"
        found: Revision | None = former
    else:
        found = next((made for made in there if made.version == version), None)
        found = found or revision_of_version(
            look.spec, version, look.observed.versions, record, look.fleet, look.policy.server_image, look.time
        )
    if found is None:
        return None, f"there is no Ready ModelVersion {look.spec.modelName}-v{version}"
    declared = revision_name(found.digest, look.spec.runtime) == found.name
    if look.fleet.member(found.name).deployment is None and not declared:
        return None, f"revision {found.name} is gone, and its runtime is not that of the spec any more"
    return found, ""


VERBS: Mapping[str, Callable[[Look, Spoken], Heard]] = {
    "promote": _promote,
    "promote-fully": _promote_fully,
    "pause": _pause,
    "resume": _resume,
    "abort": _abort,
    "retry": _clear,
    "rollback": _rollback,
    "clear": _clear,
}
