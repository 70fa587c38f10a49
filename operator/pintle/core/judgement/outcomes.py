"""Which counters make which test: the rows and the bad rows of a block, per revision."""

from __future__ import annotations

import numpy as np

from pintle.contract import metrics as names
from pintle.core.judgement.counters import BAD_RESULTS, DROPPED, LEVEL, MISSING_BIN, ROWS, Blocks, Channel
from pintle.core.judgement.samples import FloatArray
from pintle.core.judgement.score import TERMS, mean_block

RESULTS = tuple((result, result in BAD_RESULTS) for result in names.RESULTS)
"""Results of a request, and whether they are errors: a client's own mistake is not."""
EVERY_LATENCY: Channel = ("le", float("inf"))

SELECTORS = {
    names.REQUESTS: f'route!="{names.ROUTE_DIRECT}"',
    names.REQUEST_DURATION + "_bucket": "",
    names.PREDICTIONS: "",
    names.MONITOR_DROPPED: "",
    names.FEATURE_BIN: f'bin="{MISSING_BIN}"',
    names.FEATURE_REFERENCE_RATIO: f'bin="{MISSING_BIN}"',
    names.FEEDBACK_LOSS_COUNT: "",
    names.FEEDBACK_LOSS_SUM: "",
    names.FEEDBACK_LOSS_SQUARES: "",
    names.FEEDBACK_LOSS_SCALE: "",
    names.SCORE_LEVEL: "",
}
"""What a trial reads: metric -> matchers beside those of the deployment. Of the buckets, `le` of
`Trial.slow_seconds` and +Inf are enough once the history is known."""


def growth_of(blocks: Blocks, grown: FloatArray, *channels: Channel) -> FloatArray:
    """[...]: growth of several channels together; `grown` [..., channels]."""
    return np.asarray(grown[..., blocks.number(*channels)].sum(axis=-1))


def requests(blocks: Blocks, grown: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(errors, requests) [...]."""
    bad = growth_of(blocks, grown, *(("requests", result) for result in BAD_RESULTS))
    return bad, growth_of(blocks, grown, *(("requests", result) for result in names.RESULTS))


def slow_requests(blocks: Blocks, grown: FloatArray, slow_seconds: float) -> tuple[FloatArray, FloatArray]:
    """(requests slower than a bucket's limit, requests) [...]."""
    every = growth_of(blocks, grown, EVERY_LATENCY)
    if not blocks.number(("le", slow_seconds)):
        return np.zeros_like(every), np.zeros_like(every)
    return np.maximum(every - growth_of(blocks, grown, ("le", slow_seconds)), 0.0), every


def counted_rows(blocks: Blocks, grown: FloatArray) -> FloatArray:
    """Rows whose features were counted [...]: those answered but for those dropped. Every feature has as many."""
    dropped = (channel for channel in blocks.channels if channel[0] == DROPPED[0])
    return np.maximum(growth_of(blocks, grown, ROWS) - growth_of(blocks, grown, *dropped), 0.0)


def levels(blocks: Blocks, grown: FloatArray) -> tuple[list[Channel], FloatArray]:
    """Rows by level of the score: the channels [n], and their growth [..., n]."""
    channels = [channel for channel in blocks.channels if channel[0] == LEVEL]
    return channels, grown[..., blocks.number(*channels)]


def losses(blocks: Blocks, grown: FloatArray, origin: float) -> dict[float, FloatArray]:
    """Rows, sum and sum of squares of the loss [..., 3], by cohort, of predictions made since the origin.

    Only such cohorts are alike for both revisions: a wrong prediction may be labelled later than a right one.
    """
    cohorts = sorted({float(c[1]) for c in blocks.channels if c[0] == "loss" and float(c[1]) >= origin})
    parts = {
        cohort: np.stack([growth_of(blocks, grown, ("loss", cohort, part)) for part in range(3)], axis=-1)
        for cohort in cohorts
    }
    return {cohort: part for cohort, part in parts.items() if part.any()}


def loss_block(by_cohort: dict[float, FloatArray]) -> FloatArray:
    """Terms [10] of a block from parts [2 arms, 3] by cohort; every cohort is a stratum of its own.

    The shares of the traffic differ between cohorts, and so may the world: added up they would be confounded.
    """
    terms = np.zeros(TERMS)
    for tested, control in by_cohort.values():
        terms += mean_block(*tested, *control)
    return terms
