"""What is asked of Prometheus for trials covers what a trial reads, and no more."""

from __future__ import annotations

import re

import promql_parser
import pytest
from pintle.contract.metrics import DURATION_BUCKETS
from pintle.core.judgement.outcomes import SELECTORS
from pintle.core.judgement.settings import PRESETS, TESTS, Settings
from pintle.core.trials import selectors
from pintle.core.trials.pair import FAST_TESTS, SLOW_TESTS, part


def test_every_metric_that_a_trial_reads_is_asked_for() -> None:
    """At one of the two paces, or as reference."""
    assert {*selectors.FAST, *selectors.SLOW, *selectors.REFERENCE} == set(SELECTORS)


@pytest.mark.parametrize("limit", DURATION_BUCKETS)
def test_of_the_durations_the_total_and_one_limit_are_asked_for(limit: float) -> None:
    """As the server writes a limit, and as Prometheus 3 writes it; series without `le` are asked for, too."""
    matchers = promql_parser.parse(selectors.fast({("web", "aaaaaaaa")}, [limit])).matchers.matchers
    (le,) = [matcher.value for matcher in matchers if matcher.name == "le"]
    asked = {other for other in DURATION_BUCKETS if re.fullmatch(le, format(other, "g"))}
    assert asked == {limit}
    assert all(re.fullmatch(le, text) for text in ("", "+Inf", format(limit, "g"), repr(limit)))


def test_requests_by_header_are_not_asked_for() -> None:
    """They are judged never."""
    for selector in (
        selectors.fast({("web", "a")}, []),
        selectors.slow({("web", "a")}, True),
        selectors.everything("team", "web", ["a"], None),
    ):
        assert 'route!="direct"' in selector


def test_deployments_and_revisions_come_in_one_order() -> None:
    """The same trials ask the same question."""
    pairs = [("web", "b"), ("api", "a"), ("web", "b")]
    assert selectors.slow(pairs, False) == selectors.slow(sorted(pairs), False)
    assert 'deployment=~"api|web",revision=~"a|b"' in selectors.slow(pairs, False)


def test_deployments_at_rest_are_not_asked_for() -> None:
    """Deployments that are alike have revisions of one name; only those on trial are fetched."""
    matchers = promql_parser.parse(selectors.fast({("web", "a"), ("web", "b")}, [0.1])).matchers.matchers
    (deployment,) = [matcher.value for matcher in matchers if matcher.name == "deployment"]
    assert re.fullmatch(deployment, "web")
    assert not re.fullmatch(deployment, "api")


@pytest.mark.parametrize("preset", PRESETS)
def test_two_halves_divide_alpha_as_one_would(preset: str) -> None:
    """The threshold of every test is that of the whole."""
    settings = PRESETS[preset]
    halves: list[Settings] = [part(settings, FAST_TESTS), part(settings, SLOW_TESTS)]
    assert sorted(test for half in halves for test in half.tests) == sorted(TESTS)
    for half in halves:
        for test in half.tests:
            assert half.fail_threshold(test) == pytest.approx(settings.fail_threshold(test))
