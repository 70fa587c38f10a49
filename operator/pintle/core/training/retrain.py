"""Runs that are started by themselves, or by a person's word: what waits, what the governor says, what is remembered.

take in what pods and Jobs tell -> what waits -> (a new definition starts a run: it answers all that waits)
                                              -> governor -> start a run, or say why not, once for each reason
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from pintle.api import reasons
from pintle.contract.digest import digest_value, short
from pintle.contract.run import NewRows
from pintle.core.conditions import FALSE, TRUE, Condition, clip, conditions_of, parse_time, timestamp
from pintle.core.plan import Decision, Event, Obj
from pintle.core.training.definition import refused
from pintle.core.training.governor import Answer, Brake, Facts, decide, in_a_row
from pintle.core.training.history import Entry
from pintle.core.training.listing import compared, new_data, next_pod, numbered, taken_in
from pintle.core.training.look import Look
from pintle.core.training.memory import Memory, brought_up_to_date, remembered, rolled_back
from pintle.core.training.schedule import ScheduleError, last_time, next_time
from pintle.core.training.start import start_listing, start_run
from pintle.core.training.states import finished
from pintle.core.training.triggers import PERSON, SCHEDULE, Trigger, asked_by_person, asking, causes
from pintle.resources.model_version import version_name

_LOUD = (reasons.CONSECUTIVE_FAILURES, reasons.SPEC_INVALID)


@dataclass(frozen=True)
class Waiting:
    """What asks for a run, and what is remembered."""

    memory: Memory
    triggers: tuple[Trigger, ...]
    """Those that were not answered yet."""
    deployments: tuple[Obj, ...]
    """Those that may ask."""
    complaint: tuple[str, str] = ("", "")
    """Kind of a trigger that cannot be read, and why."""

    @property
    def keys(self) -> list[str]:
        """By which a run notes what it answers."""
        return [trigger.key for trigger in self.triggers]

    def answered(self, start: str | None = None) -> Memory:
        """The memory once a run has started; `start` is the time of one that counts against the daily budget."""
        due = [trigger.id for trigger in self.triggers if trigger.kind == SCHEDULE]
        memory = self.memory.answered(self.keys, self.keys, start)
        return replace(memory, schedule_time=due[0]) if due else memory


def waiting(look: Look, entries: list[Entry], before: list[Entry]) -> Waiting:
    """Everything that waits for a run. Listing pods that were read go into `look.delete`."""
    parent, newest = look.observed.parent, entries[0].name if entries else None
    memory = remembered(parent)
    memory = replace(memory, listing=taken_in(look, memory.listing, newest))
    deployments = tuple(asking(parent, look.observed.model_deployments))
    word, complaint = asked_by_person(parent)
    asked = causes(deployments)
    present = [trigger.key for trigger in (*asked, *([word] if word else ()))]
    memory = brought_up_to_date(memory, entries, before, present, look.now)
    if word and not (parent.get("status") or {}).get("observedGeneration"):
        # Nobody can say for which state it was meant; the first run is made anyway.
        memory = memory.answered([word.key], present)
    memory, due, wrong = _scheduled(look, memory)
    found = (word, *asked, new_data(look, memory, newest), due)
    triggers = tuple(trigger for trigger in found if trigger is not None and trigger.key not in memory.seen)
    told = (PERSON, complaint) if complaint else (SCHEDULE, wrong) if wrong else ("", "")
    return Waiting(memory, triggers, deployments, told)


@dataclass(frozen=True)
class Governed:
    """What is said about runs by themselves: conditions besides Succeeded, and `status.governor`."""

    conditions: tuple[Condition, ...]
    status: Mapping[str, Any]


def govern(look: Look, entries: list[Entry], current: Entry | None, waits: Waiting) -> Governed:
    """Ask the governor, start the run that it allows, and list the data where that is due."""
    answer, memory = Answer(), waits.memory
    facts = facts_of(look, entries, current, waits)
    if look.started:
        memory = waits.answered()
    else:
        answer = decide(waits.triggers, facts)
        if answer.start is not None:
            _start(look, entries, answer.start, waits, facts)
            memory = waits.answered(None if answer.start.is_by_hand else timestamp(look.now))
            answer = Answer()
    if look.started:
        look.delete.extend(numbered(look).values())
        if look.observed.write_error:
            # Whether the Job exists now is not known; if it does, it tells itself what it answers.
            memory = waits.memory
    elif number := _listing_due(look, entries, facts, memory):
        start_listing(look, number, entries[0].name)
        if refusal := look.observed.write_error:
            memory = replace(memory, listing=replace(memory.listing, message=refusal))
    if answer.held is None and waits.complaint[0]:
        answer = replace(
            answer, held=Trigger(waits.complaint[0]), brake=Brake(reasons.SPEC_INVALID, waits.complaint[1])
        )
    _tell(look, answer)
    look.again.extend(max(moment - look.now, timedelta(seconds=1)) for moment in answer.retries)
    return Governed(_conditions(look, waits, facts, answer), memory.to_status(answer))


def _listing_due(look: Look, entries: list[Entry], facts: Facts, memory: Memory) -> int | None:
    """The number of the listing pod to be made now: none where a run goes on, or could not start whatever comes."""
    if facts.going or facts.blocked or facts.policy.mode == "Off":
        return None
    return next_pod(look, memory.listing, entries[0].name if entries else None)


def facts_of(look: Look, entries: list[Entry], current: Entry | None, waits: Waiting) -> Facts:
    """What the governor goes by."""
    memory, newest = waits.memory, entries[0].name if entries else None
    refused_live = rolled_back(entries, _refused_live(waits.deployments))
    ends = [moment for entry in entries if entry.is_final and (moment := parse_time(entry.completion))]
    leaving = [str(job["metadata"]["name"]) for job in look.observed.jobs if not finished(job)]
    return Facts(
        policy=look.spec.retrainPolicy,
        now=look.now,
        blocked=_blocked(look),
        going=next((e.name for e in entries if not e.is_final), None) or next(iter(sorted(leaving)), ""),
        ended=max(ends, default=None),
        times=tuple(_times(memory)),
        failures=memory.failures + refused_live,
        refusals=memory.refusals + refused_live,
        data=compared(look, memory, newest),
        waiting=_candidates(look, waits.deployments),
    )


def _start(look: Look, entries: list[Entry], trigger: Trigger, waits: Waiting, facts: Facts) -> None:
    """A run for this trigger; by itself it needs rows that no run has used yet."""
    rows = max(look.spec.retrainPolicy.minNewRows, 1 if facts.refusals else 0)
    through = waits.memory.through
    new = NewRows(through, rows) if through and rows and not trigger.is_by_hand else None
    run = start_run(look, [entry.name for entry in entries], trigger, waits.keys, new_rows=new)
    look.why.append(f"{trigger.says}: {run} is started")


def _scheduled(look: Look, memory: Memory) -> tuple[Memory, Trigger | None, str]:
    """The time of the schedule that is due, and what is wrong with the schedule.

    However many were missed, one run makes up for them; times before the schedule was written are not due.
    """
    asked = look.spec.triggers
    if asked.schedule is None:
        return replace(memory, schedule=None, schedule_time=None), None, ""
    try:
        last = last_time(asked.schedule, asked.timeZone, look.now)
        following = next_time(asked.schedule, asked.timeZone, look.now)
    except ScheduleError as error:
        return replace(memory, schedule=None, schedule_time=None), None, str(error)
    if following is not None:
        look.again.append(max(following - look.now, timedelta(seconds=1)))
    mark = short(digest_value([asked.schedule, asked.timeZone]), 10)
    due = Trigger(SCHEDULE, timestamp(last), message=f"{asked.schedule} {asked.timeZone}") if last else None
    if due is None:
        return replace(memory, schedule=mark, schedule_time=None), None, ""
    if mark != memory.schedule or due.key in memory.seen:
        return replace(memory, schedule=mark, schedule_time=due.id), None, ""
    return memory, (due if due.id > (memory.schedule_time or "") else None), ""


def _blocked(look: Look) -> Brake | None:
    if look.spec.suspend:
        return Brake(reasons.SUSPENDED, "spec.suspend is true.")
    return Brake(look.problem.reason, look.problem.message) if look.problem is not None else None


def _times(memory: Memory) -> list[datetime]:
    return [moment for text in memory.times if (moment := parse_time(text)) is not None]


def _refused_live(deployments: tuple[Obj, ...]) -> frozenset[int]:
    """Versions that were refused in production."""
    entries = (entry for item in deployments for entry in (item.get("status") or {}).get("refused") or ())
    return frozenset(int(entry["version"]) for entry in entries if entry.get("version"))


def _candidates(look: Look, deployments: tuple[Obj, ...]) -> dict[str, str]:
    """Deployment -> the newest version of this TrainingJob, where it may still come to be served there."""
    made = [
        version
        for version in look.observed.versions
        if (version["spec"].get("source") or {}).get("trainingJob") == look.name
    ]
    newest = max(made, key=lambda version: int(version["spec"]["version"]), default=None)
    if newest is None or refused(newest) or (conditions_of(newest).get(reasons.READY) or {}).get("status") == FALSE:
        return {}
    number = int(newest["spec"]["version"])
    waits = {}
    for item in deployments:
        status = item.get("status") or {}
        serves = (status.get("stable") or {}).get("version")
        if serves is not None and int(serves) < number and number not in _refused_live((item,)):
            waits[item["metadata"]["name"]] = version_name(look.model, number)
    return waits


def _tell(look: Look, answer: Answer) -> None:
    """A refusal is told once: again only when another trigger waits, or for another reason."""
    held, brake = answer.held, answer.brake
    if held is None or brake is None:
        return
    before: Mapping[str, Any] = (look.observed.parent.get("status") or {}).get("governor") or {}
    known = Trigger.from_json(before.get("refused"))
    same = known is not None and (known.kind, known.source, known.id) == (held.kind, held.source, held.id)
    if same and before.get("reason") == brake.reason:
        return
    words = f"{held.says}. {brake.message}"
    look.why.append(f"no run: {words}")
    look.events.append(Event("Warning" if brake.reason in _LOUD else "Normal", brake.reason, clip(words, 900)))
    look.decisions.append(
        Decision("Defer", look.name, words, rule=brake.reason, value=brake.value, threshold=brake.threshold)
    )


def _conditions(look: Look, waits: Waiting, facts: Facts, answer: Answer) -> tuple[Condition, ...]:
    made = []
    if answer.held is not None and answer.brake is not None and answer.brake.reason == reasons.SUGGESTED:
        words = f"{answer.held.says}. {answer.brake.message}"
        made.append(Condition(reasons.RETRAIN_SUGGESTED, TRUE, reasons.SUGGESTED, words))
    asked = look.spec.triggers
    by_itself = bool(asked.schedule or asked.onNewData or waits.deployments) and facts.policy.mode != "Off"
    if by_itself and not look.started and facts.failures >= facts.policy.maxConsecutiveFailures:
        words = in_a_row(facts.failures)
        made.append(Condition(reasons.RETRAIN_HELD, TRUE, reasons.CONSECUTIVE_FAILURES, words))
    return tuple(made)
