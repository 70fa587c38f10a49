"""Throw-away pods that list the data, for spec.triggers.onNewData: when one is made, and what it has said.

One at a time, every pollSeconds and after each run; none while a run goes on, which may read other data than are there
now. A listing counts as long as its run is the newest: it says whether there is anything that this run did not read.
"""

from __future__ import annotations

from datetime import timedelta

from pintle.contract.digest import short
from pintle.contract.exits import Exit
from pintle.core import pods as podstate
from pintle.core.conditions import parse_time, timestamp
from pintle.core.plan import Obj
from pintle.core.training.governor import LISTING, NEW, SAME, UNKNOWN
from pintle.core.training.look import Look
from pintle.core.training.memory import Listing, Memory
from pintle.core.training.triggers import NEW_DATA, Trigger
from pintle.resources.listing_pod import ANNOTATION_AFTER, CONTAINER, DEADLINE_SECONDS, listing_number


def taken_in(look: Look, listing: Listing, newest: str | None) -> Listing:
    """The listing with what the last pod has said. Pods that were read, and those nobody waits for, are deleted."""
    pods = numbered(look)
    current = max((number for number in pods if number > listing.number), default=None)
    if look.spec.triggers.onNewData is None:
        look.delete.extend(pods.values())
        return Listing(number=max(listing.number, current or 0))
    if current is not None and (said := _said(look, pods[current])) is not None:
        digest, message = said
        # The run that was the newest when it was made: one that has started since may have read more.
        after = (pods[current]["metadata"].get("annotations") or {}).get(ANNOTATION_AFTER, newest)
        listing = Listing(current, digest, timestamp(look.now), message, after)
        look.why.append(f"listing {current}: {message}")
        current = None
    look.delete.extend(pod for number, pod in pods.items() if number != current)
    return listing


def next_pod(look: Look, listing: Listing, newest: str | None) -> int | None:
    """The number of the pod to be made now, None where none is due or one is at work. No run must go on."""
    asked = look.spec.triggers.onNewData
    if asked is None or newest is None:
        return None
    pods = numbered(look)
    if any(number > listing.number for number in pods):
        return None
    last = parse_time(listing.time)
    if listing.after == newest and last is not None:
        left = last + timedelta(seconds=asked.pollSeconds) - look.now
        if left > timedelta(0):
            look.again.append(left)
            return None
    return max([listing.number, *pods]) + 1


def numbered(look: Look) -> dict[int, Obj]:
    """The listing pods that exist, by number."""
    found = [(listing_number(look.name, pod["metadata"]["name"]), pod) for pod in look.observed.pods]
    return {number: pod for number, pod in found if number is not None}


def compared(look: Look, memory: Memory, newest: str | None) -> str:
    """What the newest listing says against what the last run read."""
    listing = memory.listing
    if look.spec.triggers.onNewData is None:
        return UNKNOWN
    if listing.after != newest:
        return LISTING
    if listing.digest is None or memory.read is None:
        return UNKNOWN
    return SAME if listing.digest == memory.read else NEW


def new_data(look: Look, memory: Memory, newest: str | None) -> Trigger | None:
    """The trigger, where the data are listed as others than the last run read."""
    listing = memory.listing
    if look.spec.triggers.onNewData is None or newest is None or listing.after != newest:
        return None
    if listing.digest is None or listing.digest == memory.read:
        return None
    return Trigger(NEW_DATA, listing.digest, message=listing.message)


def _said(look: Look, pod: Obj) -> tuple[str | None, str] | None:
    """Digest and words of a pod that has ended, None while it may still say something."""
    ended = podstate.ended(pod).get(CONTAINER)
    if ended is not None:
        digest = ended.result.get("listing")
        if ended.code == Exit.DONE and isinstance(digest, str):
            return short(digest, 16), str(ended.result.get("message") or "")
        return None, ended.says
    trouble = podstate.start_trouble(pod)
    if trouble is not None:
        left = trouble.since + look.policy.start_deadline - look.now
        if trouble.hopeless or left <= timedelta(0):
            return None, trouble.says
        look.again.append(left)
    if podstate.phase(pod) in ("Failed", "Succeeded") or podstate.going(pod):
        return None, "the pod ended without a result"
    return _overdue(look, pod)


def _overdue(look: Look, pod: Obj) -> tuple[None, str] | None:
    """A pod that no node takes, or that waits for a claim or a Secret, must not hold everything back for ever."""
    made = parse_time(pod["metadata"].get("creationTimestamp"))
    if made is None:
        return None
    left = made + look.policy.start_deadline + timedelta(seconds=DEADLINE_SECONDS) - look.now
    if left <= timedelta(0):
        return None, podstate.unschedulable(pod) or "the pod did not get to its end in time"
    look.again.append(left)
    return None
