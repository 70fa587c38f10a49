"""The governor: the one place that decides whether a run that is wanted may start now.

Each brake is a small check `(trigger, facts) -> Brake | None`; the first one that holds is the answer. What is held
back stays wanted as long as its cause is there, and is asked about again when the brake may be released.

    person      suspended, run going
    the rest    suspended, run going, turned off, failures in a row, cooldown, daily budget,
                candidate waiting (causes of a deployment), data listed, nothing new, suggested
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pintle.api import reasons
from pintle.api.trainingjob import RetrainPolicy
from pintle.core.conditions import timestamp
from pintle.core.training.triggers import PERSON, Trigger, in_order

DAY = timedelta(hours=24)
LONGEST_BACK_OFF = 4
"""The cooldown doubles with each refused candidate in a row, so many times: sixteenfold at most."""
UNKNOWN, LISTING, SAME, NEW = "Unknown", "Listing", "Same", "New"


@dataclass(frozen=True)
class Facts:
    """Everything brakes go by."""

    policy: RetrainPolicy
    now: datetime
    blocked: Brake | None = None
    """Why no run at all can start: suspended, or there is nothing to run."""
    going: str = ""
    """The run that goes on."""
    ended: datetime | None = None
    """When the last run did."""
    times: tuple[datetime, ...] = ()
    """Starts of triggered runs."""
    failures: int = 0
    """Runs in a row that failed or were refused."""
    refusals: int = 0
    """Of these, candidates that were refused."""
    data: str = UNKNOWN
    """What the newest listing says against what the last run read."""
    waiting: Mapping[str, str] = field(default_factory=dict)
    """Deployment -> version that has been made since and that it does not serve yet."""


@dataclass(frozen=True)
class Brake:
    """Why a run does not start now. `retry` is when it may, None where that is no question of time."""

    reason: str
    message: str
    retry: datetime | None = None
    value: float | None = None
    threshold: float | None = None


@dataclass(frozen=True)
class Answer:
    """What the governor says: the trigger to start a run for, or the one that is held back and by what."""

    start: Trigger | None = None
    held: Trigger | None = None
    brake: Brake | None = None
    retries: tuple[datetime, ...] = ()
    """When brakes may be released, of all triggers that wait."""


def decide(triggers: Iterable[Trigger], facts: Facts) -> Answer:
    """Of the triggers, in their order, the first that no brake holds; else the first, with its brake."""
    held: list[tuple[Trigger, Brake]] = []
    for trigger in in_order(triggers):
        brake = brake_of(trigger, facts)
        if brake is None:
            return Answer(start=trigger)
        held.append((trigger, brake))
    if not held:
        return Answer()
    return Answer(None, *held[0], tuple(brake.retry for _, brake in held if brake.retry is not None))


def brake_of(trigger: Trigger, facts: Facts) -> Brake | None:
    """The first brake that holds this trigger back."""
    for check in BY_PERSON if trigger.kind == PERSON else BY_ITSELF:
        if (brake := check(trigger, facts)) is not None:
            return brake
    return None


def cooldown_of(policy: RetrainPolicy, refusals: int) -> timedelta:
    """The pause after the end of a run: doubled for each candidate in a row that was refused, within bounds."""
    return timedelta(seconds=policy.cooldownSeconds) * (1 << min(refusals, LONGEST_BACK_OFF))


def in_a_row(failures: int) -> str:
    """Why no run starts by itself any more, in words."""
    row = f"{failures} runs in a row failed or were refused" if failures > 1 else "The last run failed or was refused"
    return f"{row}; a person or a new definition goes on."


def recent(times: Iterable[datetime], now: datetime) -> list[datetime]:
    """Those of the last 24 hours, oldest first."""
    return sorted(moment for moment in times if now - moment < DAY)


# The brakes -----------------------------------------------------------------------------------------------------------


def _blocked(trigger: Trigger, facts: Facts) -> Brake | None:
    return facts.blocked


def _run_going(trigger: Trigger, facts: Facts) -> Brake | None:
    return Brake(reasons.RUN_GOING, f"Run {facts.going} goes on; one at a time.") if facts.going else None


def _turned_off(trigger: Trigger, facts: Facts) -> Brake | None:
    if facts.policy.mode != "Off":
        return None
    return Brake(reasons.TURNED_OFF, "retrainPolicy.mode is Off.")


def _failures(trigger: Trigger, facts: Facts) -> Brake | None:
    limit = facts.policy.maxConsecutiveFailures
    if facts.failures < limit:
        return None
    return Brake(reasons.CONSECUTIVE_FAILURES, in_a_row(facts.failures), value=facts.failures, threshold=limit)


def _cooldown(trigger: Trigger, facts: Facts) -> Brake | None:
    pause = cooldown_of(facts.policy, facts.refusals)
    if facts.ended is None or facts.now - facts.ended >= pause:
        return None
    seconds = int(pause.total_seconds())
    why = f", doubled for {facts.refusals} refused" if facts.refusals and seconds else ""
    message = f"Cooldown of {seconds} s after the last run{why}."
    past = (facts.now - facts.ended).total_seconds()
    return Brake(reasons.COOLDOWN, message, facts.ended + pause, past, seconds)


def _budget(trigger: Trigger, facts: Facts) -> Brake | None:
    times, limit = recent(facts.times, facts.now), facts.policy.maxPerDay
    if len(times) < limit:
        return None
    message = f"{limit} triggered runs in 24 hours are allowed (maxPerDay)."
    return Brake(reasons.DAILY_BUDGET, message, times[len(times) - limit] + DAY, len(times), limit)


def _candidate_waiting(trigger: Trigger, facts: Facts) -> Brake | None:
    if not trigger.is_cause or trigger.source not in facts.waiting:
        return None
    return Brake(reasons.CANDIDATE_WAITING, f"{trigger.source} does not serve {facts.waiting[trigger.source]} yet.")


def _listing(trigger: Trigger, facts: Facts) -> Brake | None:
    return Brake(reasons.LISTING_DATA, "The data are being listed.") if facts.data == LISTING else None


def _nothing_new(trigger: Trigger, facts: Facts) -> Brake | None:
    if facts.data != SAME:
        return None
    return Brake(reasons.NOTHING_NEW, "The data are those that the last run read.")


def _suggested(trigger: Trigger, facts: Facts) -> Brake | None:
    if facts.policy.mode != "Suggest":
        return None
    return Brake(reasons.SUGGESTED, "A person starts it, by the annotation pintle.dev/run.")


_Check = Callable[[Trigger, Facts], Brake | None]
BY_PERSON: tuple[_Check, ...] = (_blocked, _run_going)
# The suggestion comes last: what another brake holds back is not worth a person's time yet.
BY_ITSELF: tuple[_Check, ...] = (
    _blocked,
    _run_going,
    _turned_off,
    _failures,
    _cooldown,
    _budget,
    _candidate_waiting,
    _listing,
    _nothing_new,
    _suggested,
)


def until(brake: Brake | None) -> str | None:
    """When the brake may be released, as Kubernetes writes it: rounded up to the second, so that it is not early."""
    if brake is None or brake.retry is None:
        return None
    whole = brake.retry.replace(microsecond=0)
    return timestamp(whole if whole == brake.retry else whole + timedelta(seconds=1))
