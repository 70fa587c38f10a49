"""What the pods of a trial have done: restarts, lost readiness and their seconds, pods that are gone included."""

from __future__ import annotations

from pintle.core.judgement.facts import PodFacts
from pintle.core.rollout.trial import PodState
from pintle.core.trials.ledger import Ledger

ORIGIN = 1000.0


def ledger() -> Ledger:
    return Ledger("bbbbbbbb", "aaaaaaaa", ORIGIN)


def canary(name: str = "b-0", since: float | None = 990.0, restarts: int = 0) -> PodState:
    return PodState(name, "bbbbbbbb", since, restarts)


def stable(name: str = "a-0", since: float | None = 0.0, restarts: int = 0) -> PodState:
    return PodState(name, "aaaaaaaa", since, restarts)


def facts(book: Ledger, now: float) -> PodFacts:
    return book.facts(now)


def test_seconds_count_from_the_origin_and_from_readiness() -> None:
    """The stable was ready long before; a canary that is ready later counts from then."""
    book = ledger()
    book.update([canary(since=1010.0), stable()], (), 1010)
    found = book.facts(1030)
    assert (found.tested_pod_seconds, found.control_pod_seconds) == (20.0, 30.0)
    assert found.ready == {"b-0": 1010.0, "a-0": 0.0}


def test_restarts_from_before_the_trial_do_not_count() -> None:
    """Those of a pod that turns up later all do."""
    book = ledger()
    book.update([canary(restarts=1), stable(restarts=7)], (), 1001)
    book.update([canary(restarts=3), stable(restarts=7), canary("b-1", restarts=2)], (), 1010)
    found = book.facts(1010)
    assert (found.tested_restarts, found.control_restarts) == (4.0, 0.0)


def test_readiness_that_is_lost_counts_once_even_when_nobody_looked() -> None:
    """Lost and found between two looks shows by the later time; lost and not found counts at once."""
    book = ledger()
    book.update([canary(), stable()], (), 1001)
    book.update([canary(since=None), stable()], (), 1010)
    book.update([canary(since=None), stable(since=1005.0)], (), 1011)
    found = book.facts(1011)
    assert (found.tested_unready, found.control_unready) == (1.0, 1.0)
    assert found.ready == {"a-0": 1005.0}


def test_a_pod_that_is_deleted_has_lost_nothing() -> None:
    """Scaling down and evictions are no fault of the revision; its seconds end, what it did stays."""
    book = ledger()
    book.update([canary(), canary("b-1"), stable()], (), 1001)
    book.update([canary(restarts=2), canary("b-1"), stable()], (), 1005)
    book.update([canary(since=None, restarts=2), canary("b-1"), stable()], {"b-0"}, 1010)
    book.update([canary("b-1"), stable()], (), 1012)
    book.update([stable()], (), 1020)
    found = book.facts(1100)
    assert (found.tested_restarts, found.tested_unready, found.tested_pod_seconds) == (2.0, 0.0, 30.0)
    assert found.ready == {"a-0": 0.0}


def test_a_pod_that_was_never_ready_has_no_seconds() -> None:
    """It had no traffic."""
    book = ledger()
    book.update([canary(since=None)], (), 1001)
    assert facts(book, 1100).tested_pod_seconds == 0.0
