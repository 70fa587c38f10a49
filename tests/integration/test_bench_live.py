"""The bench's run against a real Prometheus, shorter: what the operator reads is what happened."""

from __future__ import annotations

import asyncio

import pytest

from bench.judgement import live


@pytest.fixture(scope="module")
def found() -> live.Live:
    """Twelve seconds of two revisions with three replicas each; two of the stable's restart."""
    return asyncio.run(live.run(12.0, 0.5, seed=3))


def test_live_verdicts_equal_the_replay(found: live.Live) -> None:
    """Look by look, and read anew at the end as a new leader would: the same evidence to the last bit."""
    assert len(found.looks) > 10
    assert [look.said for look in found.looks] == found.replayed
    assert found.taken_over == found.looks[-1].said
    assert {name for name, *_ in found.taken_over} >= {"errors", "slow"}
    assert max(part[2] for part in found.taken_over) > 0


def test_without_restarts_every_row_is_counted(found: live.Live) -> None:
    """Requests, errors and rows by bin of three replicas are those of the event log."""
    assert found.arms[live.NEW] == (found.log.requests[live.NEW], found.log.bad[live.NEW])
    assert found.counts[live.NEW].tolist() == found.log.bins[live.NEW].tolist()
    assert found.off(live.NEW) == 0.0


def test_restarts_lose_what_was_not_scraped_and_no_more(found: live.Live) -> None:
    """Of two restarts no more than a few scrapes of one pod are lost; none is invented beyond what is extrapolated."""
    assert found.log.restarts == 2
    scrape = live.RATE * 0.5
    true = found.log.requests[live.STABLE]
    counted, _ = found.arms[live.STABLE]
    assert true - 2 * 5 * scrape <= counted <= true
    assert found.counts[live.STABLE].sum() == pytest.approx(found.log.bins[live.STABLE].sum(), rel=0.05)


def test_rules_have_the_formula_of_the_same_counts(found: live.Live) -> None:
    """PSI and its lower end, with restarts and without."""
    for revision in (live.NEW, live.STABLE):
        assert found.rules_off(revision) < 1e-10
