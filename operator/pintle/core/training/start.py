"""Starting a run: its name, what its containers are told, and the note of what it answers."""

from __future__ import annotations

from collections.abc import Iterable

from pintle.contract.run import NewRows
from pintle.core.plan import Decision
from pintle.core.training.champion import champion_of
from pintle.core.training.definition import because, known_identities, run_name, run_request
from pintle.core.training.look import Look
from pintle.core.training.triggers import PERSON, Trigger
from pintle.resources.listing_pod import listing_pod, listing_pod_name
from pintle.resources.run_job import Marks, run_job
from pintle.resources.run_pod import RunnerDefaults


def start_run(
    look: Look,
    taken: Iterable[str],
    trigger: Trigger,
    answers: Iterable[str],
    generation: int | None = None,
    new_rows: NewRows | None = None,
) -> str:
    """The Job of a new run, under the first name that no run had; its artifact would replace that of the other.

    `taken` are names of runs on record, `answers` the keys of all triggers that wait for a run.
    """
    assert look.definition is not None  # else there is a problem
    parent, versions, attempt = look.observed.parent, look.observed.versions, 1
    names = {*taken, *((version["spec"].get("source") or {}).get("run") for version in versions)}
    while (run := run_name(parent, look.definition, because(trigger, attempt, generation))) in names:
        attempt += 1
    champion = champion_of(look.spec, versions)
    request = run_request(
        parent,
        look.spec,
        look.code,
        run,
        because(trigger, attempt, generation),
        # By itself nothing is trained twice; a person may want to see again what was refused.
        known_identities(versions, with_refused=not trigger.is_by_hand),
        champion.request if champion else None,
        new_rows,
    )
    marks = Marks(look.definition, look.spec_digest, tuple(dict.fromkeys(key for key in answers if key)))
    secret = champion.secret if champion else None
    look.create.append(run_job(parent, look.spec, request, marks, _runner(look), secret))
    look.started = run
    by = trigger.source if trigger.kind == PERSON else ""
    look.decisions.append(Decision("Train", run, trigger.says, rule=trigger.kind, by=by))
    return run


def start_listing(look: Look, number: int, newest: str) -> None:
    """The throw-away pod that lists the data, after the run `newest`."""
    parent, name = look.observed.parent, listing_pod_name(look.name, number)
    request = run_request(parent, look.spec, {}, name, {})
    look.create.append(listing_pod(parent, look.spec, request, _runner(look), newest))
    look.why.append(f"listing {number} is started")


def _runner(look: Look) -> RunnerDefaults:
    return RunnerDefaults(look.policy.runner_image, look.policy.image_pull_policy, look.policy.trusted_types)
