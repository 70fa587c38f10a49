"""What a check pod says about a ModelVersion: nothing yet, a verdict that stands, or that it must be asked again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from pintle.api import reasons
from pintle.contract import names
from pintle.contract.exits import Exit
from pintle.core import pods as podstate
from pintle.core.conditions import FALSE, TRUE, Condition, timestamp
from pintle.core.plan import Obj

_FETCH_SAYS = (reasons.DIGEST_MISMATCH, reasons.MANIFEST_INVALID)
_CHECK_SAYS = (reasons.LOAD_FAILED, reasons.ANSWERS_DIFFER, reasons.MANIFEST_INVALID)


@dataclass(frozen=True)
class Looking:
    """The pod is at work."""

    message: str
    look_again: timedelta | None = None


@dataclass(frozen=True)
class Again:
    """Why a question is still open."""

    reason: str
    message: str


@dataclass(frozen=True)
class Verdict:
    """What is known now. `again` says why the rest must be asked anew; without it everything is decided."""

    verified: Condition | None = None
    validated: Condition | None = None
    again: Again | None = None


def verdict(pod: Obj, now: datetime, start_deadline: timedelta) -> Looking | Verdict:
    """Read a check pod."""
    done = podstate.ended(pod)
    fetch, check = done.get(names.CONTAINER_FETCH), done.get(names.CONTAINER_CHECK)
    loads = names.CONTAINER_CHECK in podstate.container_names(pod)
    if fetch is not None and fetch.code != Exit.DONE:
        return _fetch_failed(fetch)
    if fetch is not None and not loads:
        return Verdict(verified=_verified(fetch))
    if fetch is not None and check is not None:
        return _checked(_verified(fetch), check)
    known = _verified(fetch) if fetch is not None else None
    if (gone := _gone(pod)) is not None:
        return Verdict(verified=known, again=Again(reasons.CHECK_FAILED, gone))
    return _waiting(pod, known, now, start_deadline)


def _verified(fetch: podstate.Ended) -> Condition:
    digest = fetch.result.get("digest")
    says = f"Every byte is that of {digest}." if digest else "Every byte is that of the digest."
    return Condition(reasons.VERIFIED, TRUE, reasons.VERIFIED, says)


def _fetch_failed(fetch: podstate.Ended) -> Verdict:
    if fetch.code == Exit.DATA_INVALID:
        said = fetch.result.get("reason")
        reason = str(said) if said in _FETCH_SAYS else reasons.DIGEST_MISMATCH
        return Verdict(verified=Condition(reasons.VERIFIED, FALSE, reason, fetch.says))
    if fetch.code == Exit.CONFIG:
        return Verdict(verified=Condition(reasons.VERIFIED, FALSE, reasons.CHECK_FAILED, fetch.says))
    reason = reasons.STORAGE_UNAVAILABLE if fetch.code == Exit.TRY_AGAIN else reasons.CHECK_FAILED
    return Verdict(again=Again(reason, fetch.says))


def _checked(verified: Condition, check: podstate.Ended) -> Verdict:
    if check.code == Exit.DONE:
        rows = check.result.get("rows")
        says = "The serving image gives the answers of " + (f"{rows} example rows." if rows else "the example.")
        return Verdict(verified, Condition(reasons.VALIDATED, TRUE, reasons.VALIDATED, says))
    said = check.result.get("reason")
    if check.code in (Exit.REFUSED, Exit.DATA_INVALID):
        default = reasons.LOAD_FAILED if check.code == Exit.REFUSED else reasons.MANIFEST_INVALID
        reason = str(said) if said in _CHECK_SAYS else default
        return Verdict(verified, Condition(reasons.VALIDATED, FALSE, reason, check.says))
    if check.code == Exit.CONFIG:
        return Verdict(verified, Condition(reasons.VALIDATED, FALSE, reasons.CHECK_FAILED, check.says))
    return Verdict(verified, again=Again(reasons.CHECK_FAILED, check.says))


def _gone(pod: Obj) -> str | None:
    """Why this pod will say nothing any more, or None."""
    if taken := podstate.disruption(pod):
        return f"the check was taken away ({taken})"
    if podstate.going(pod):
        return "the check was deleted"
    if podstate.phase(pod) == "Failed":
        status = pod.get("status") or {}
        return f"the check ended without a result ({status.get('message') or status.get('reason') or 'no reason'})"
    return None


def _waiting(pod: Obj, known: Condition | None, now: datetime, start_deadline: timedelta) -> Looking | Verdict:
    trouble = podstate.start_trouble(pod)
    if trouble is None:
        why = podstate.unschedulable(pod)
        return Looking(f"no node takes the pod ({why})" if why else "")
    left = trouble.since + start_deadline - now
    if trouble.hopeless or left <= timedelta(0):
        return Verdict(verified=known, again=Again(trouble.reason, f"{trouble.says}: {trouble.message}"))
    return Looking(f"{trouble.says}; it is given up at {timestamp(trouble.since + start_deadline)}", left)
