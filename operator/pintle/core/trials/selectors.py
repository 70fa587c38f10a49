"""What is asked of Prometheus for trials: one selector for all of them, or everything about one.

A trial reads two kinds of counters. Those of requests are few and decide most rollbacks: they are fetched at every
look. Those of rows, features and labels are many and slower to tell anything: they are fetched every few seconds, all
together, so that what is compared was counted over the same time.
"""

from __future__ import annotations

from collections.abc import Iterable

from pintle.contract import metrics as names

FAST = (names.REQUESTS, names.REQUEST_DURATION + "_bucket")
SLOW = (
    names.REQUESTS,
    names.PREDICTIONS,
    names.MONITOR_DROPPED,
    names.FEATURE_BIN,
    names.FEEDBACK_LOSS_COUNT,
    names.FEEDBACK_LOSS_SUM,
    names.FEEDBACK_LOSS_SQUARES,
)
REFERENCE = (names.FEATURE_REFERENCE_RATIO, names.FEEDBACK_LOSS_SCALE, names.SCORE_LEVEL)
"""Gauges that never change, and scores, which decide nothing; fetched once in a while."""

_ROUTE = f'route!="{names.ROUTE_DIRECT}"'
_BIN = 'bin=~"|missing"'


def fast(pairs: Iterable[tuple[str, str]], limits: Iterable[float]) -> str:
    """Requests of these (deployment, revision), and their durations up to each of `limits` (seconds)."""
    return _selector(FAST, [*_each(pairs), _ROUTE, _limits(limits)])


def slow(pairs: Iterable[tuple[str, str]], reference: bool) -> str:
    """Rows, missing values and labels of these (deployment, revision); with the gauges of REFERENCE where asked."""
    return _selector((*SLOW, *REFERENCE) if reference else SLOW, [*_each(pairs), _ROUTE, _BIN])


def everything(namespace: str, deployment: str, revisions: Iterable[str], limits: Iterable[float] | None) -> str:
    """All that a trial of this deployment reads; of the durations all limits where None is given."""
    metrics = dict.fromkeys((*FAST, *SLOW, *REFERENCE))
    where = [f'namespace="{namespace}"', f'deployment="{deployment}"', _revisions(revisions), _ROUTE, _BIN]
    return _selector(metrics, where if limits is None else [*where, _limits(limits)])


def _selector(metrics: Iterable[str], matchers: Iterable[str]) -> str:
    return "{" + ",".join([f'__name__=~"{"|".join(metrics)}"', *matchers]) + "}"


def _each(pairs: Iterable[tuple[str, str]]) -> list[str]:
    # Deployments that are alike have revisions of one name: by the revision alone those at rest would be fetched, too.
    listed = list(pairs)
    return [_deployments(name for name, _ in listed), _revisions(revision for _, revision in listed)]


def _deployments(names_: Iterable[str]) -> str:
    # Letters, digits and dashes: nothing in them means anything to a regular expression.
    return f'deployment=~"{"|".join(sorted(set(names_)))}"'


def _revisions(revisions: Iterable[str]) -> str:
    # Hexadecimal digits: nothing in them means anything to a regular expression.
    return f'revision=~"{"|".join(sorted(set(revisions)))}"'


def _limits(limits: Iterable[float]) -> str:
    """Of a histogram's series the total and those up to the limits; of other metrics all."""
    # Prometheus 3 writes 1.0 where the server exports 1.
    words = {word for limit in limits for word in (format(limit, "g"), repr(float(limit)))}
    alternatives = ["", r"\\+Inf", *sorted(word.replace(".", r"\\.") for word in words)]
    return f'le=~"{"|".join(alternatives)}"'
