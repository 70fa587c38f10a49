"""What is asked of Prometheus, for all deployments at once: a query per thing and length of time, never per object.

The only matcher is the revisions that are due. Identities are kept apart by grouping.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import floor
from typing import NamedTuple

from pintle.contract import metrics
from pintle.core.watching.numbers import between
from pintle.core.watching.reference import SCORE

IDENTITY = "namespace, deployment, revision"
REFERENCE = (
    metrics.FEATURE_REFERENCE_RATIO,
    metrics.FEATURE_REFERENCE_SAMPLES,
    metrics.FEATURE_DRIFT_FLOOR,
    metrics.PREDICTION_REFERENCE_RATIO,
    metrics.PREDICTION_REFERENCE_SAMPLES,
    metrics.PREDICTION_DRIFT_FLOOR,
    metrics.SCORE_BIN_ACCURACY,
    metrics.PREDICTION_BIN_LIMIT,
    metrics.FEEDBACK_LOSS_SCALE,
)
LONG_SECONDS, POINTS = 600, 60
"""Of a time longer than this so many samples of each series are read."""
FINE_SECONDS, FINE_STEP, LOOKBACK = 21600, 60, 300
BLOCKS = 24
"""Pairs of blocks by which bursts are estimated, or fewer where a block is longer than their distance."""
_BINS = f"{IDENTITY}, profile, feature, output, bin"


class LabelWindow(NamedTuple):
    """Of which labels: see `labels`."""

    seconds: int
    age: int | None = None

    @property
    def words(self) -> str:
        """As PromQL has it."""
        return f"{self.seconds}s" + (f" offset {self.age}s" if self.age is not None else "")


def selector(names: Iterable[str], revisions: Iterable[str], matcher: str = "") -> str:
    """All series of these metrics and revisions; no revisions: of any."""
    matchers = [f'__name__=~"{"|".join(names)}"']
    wanted = "|".join(sorted(set(revisions)))
    if wanted:
        matchers.append(f'revision=~"{wanted}"')
    if matcher:
        matchers.append(matcher)
    return "{" + ",".join(matchers) + "}"


def growth(series: str, seconds: int, ago: int = 0) -> str:
    """By how much counters grew in `seconds`, to the row: differences of samples, nothing extrapolated.

    The time ends `ago` seconds before now.

    A series that began within that time began with 0, so that it counts whole: else the first minutes of a version
    would be lost. Only for one that was reset, or whose pod is gone, `increase` has to do.
    """
    offset = f" offset {ago}s" if ago else ""
    after = f"{series}{offset}"
    before = f"({series} offset {seconds + ago}s or {after} * 0)"
    within = f"{_range(series, seconds)}{offset}"
    return f"((({after} - {before}) unless resets({within}) > 0) or increase({within}))"


def _range(series: str, seconds: int) -> str:
    """Samples of that time; of a long one so many at even distances: Prometheus bounds the samples of a query."""
    return f"{series}[{seconds}s:{seconds // POINTS}s]" if seconds > LONG_SECONDS else f"{series}[{seconds}s]"


def reference(revisions: Iterable[str]) -> str:
    """References, floors and accuracies; every replica exports the same."""
    return f"max by (__name__, {_BINS}, window) ({selector(REFERENCE, revisions)})"


def unsteady(revisions: Iterable[str], seconds: int) -> str:
    """Of which revisions a pod restarted or went in the last `seconds`: their rows are counted by `bins`.

    Looks at one series of each pod. Somewhat longer than the window, for `offset` looks back for five minutes, too.
    """
    rows = selector((metrics.PREDICTIONS,), revisions)
    longer = seconds + LOOKBACK
    within = f"{rows}[{longer}s]" if seconds <= FINE_SECONDS else f"{rows}[{longer}s:{FINE_STEP}s]"
    return f"count by ({IDENTITY}) ((resets({within}) > 0) or (last_over_time({within}) unless {rows}))"


def steady_bins(revisions: Iterable[str], seconds: int) -> str:
    """Rows by bin of features and predictions in the last `seconds`, of revisions whose pods all stayed as they were.

    Equal to `bins` for less: the sums of now less the sums of then, or whole where there was no then.
    """
    series = selector((metrics.FEATURE_BIN, metrics.PREDICTION_BIN), revisions)
    return _steady(series, f"{series} offset {seconds}s")


def _steady(now: str, then: str) -> str:
    total = f"sum by ({_BINS}) ({now})"
    return f"{total} - (sum by ({_BINS}) ({then}) or {total} * 0)"


def bins(revisions: Iterable[str], seconds: int) -> str:
    """Rows by bin of features and predictions in the last `seconds`, replicas summed, whatever became of the pods."""
    return f"sum by ({_BINS}) ({growth(selector((metrics.FEATURE_BIN, metrics.PREDICTION_BIN), revisions), seconds)})"


def totals(revisions: Iterable[str]) -> str:
    """Rows by bin of features and predictions since the pods that serve now began."""
    return f"sum by ({_BINS}) ({selector((metrics.FEATURE_BIN, metrics.PREDICTION_BIN), revisions)})"


def labels(revisions: Iterable[str], window: LabelWindow, at: float) -> str:
    """Loss, labels by score bin and truth, predicted rows by score bin; `counted` says which.

    Without an age: labels that came in the last `window.seconds`, of whatever cohorts, and the rows predicted in that
    time. With one: all labels until now of the predictions that were made in the `window.seconds` up to `window.age`
    before `at` (unix seconds), and the rows of that time. So each look compares cohorts of the same ages: while wrong
    predictions are labelled later than right ones, cohorts of unlike ages are no fair comparison.
    """
    wanted, age = tuple(revisions), window.age
    span, ago, cohorts = window.seconds, 0, ""
    if age is not None:
        span, ago = window.seconds + age, age
        end = floor(at) - age
        cohorts = f'cohort=~"{between(max(end - window.seconds, 0), max(end - 1, 0))}"'
    parts = {
        "sum": (metrics.FEEDBACK_LOSS_SUM, IDENTITY),
        "squares": (metrics.FEEDBACK_LOSS_SQUARES, IDENTITY),
        "count": (metrics.FEEDBACK_LOSS_COUNT, IDENTITY),
        "truth": (metrics.FEEDBACK, f"{IDENTITY}, score_bin, truth"),
        SCORE: (metrics.PREDICTION_BIN, f"{IDENTITY}, bin"),
    }
    return " or ".join(
        f"label_replace(sum by ({by}) ({_counted(what, name, wanted, cohorts, window.seconds, span, ago)}), "
        f'"counted", "{what}", "", "")'
        for what, (name, by) in parts.items()
    )


def _counted(what: str, name: str, revisions: tuple[str, ...], cohorts: str, seconds: int, span: int, ago: int) -> str:
    if what == SCORE:
        return growth(selector((name,), revisions), seconds, ago)
    return growth(selector((name,), revisions, cohorts), span)


def dispersion(revisions: Iterable[str], span: int, block: int) -> str:
    """How much more neighbouring blocks of `block` seconds differ than independent rows would: the design effect.

    Per feature (and output) the mean over BLOCKS pairs of the chi-square of two samples,
    N^2 / (n1 n0) (sum_b a_b^2 / t_b - n1^2 / N) with a_b of the later block's n1 rows, t_b of the N rows of both, over
    the occupied bins less one: 1 when rows are independent, the size of the bursts when alike rows come together. A
    shift within the `span` seconds touches the one pair that it happens in: drift is hardly taken for bursts.
    """
    series = selector((metrics.FEATURE_BIN, metrics.PREDICTION_BIN), revisions)
    scores = selector((metrics.PREDICTION_BIN,), revisions)
    by = f"{IDENTITY}, profile, feature, output"
    later = f"(sum by ({_BINS}) ({series}) - sum by ({_BINS}) ({series} offset {block}s) >= 0)"
    both = f"(sum by ({_BINS}) ({series}) - sum by ({_BINS}) ({series} offset {2 * block}s) > 0)"
    # Every row is in one bin of the score, so that rows need not be added up for every feature.
    n1, n = (f"(sum by ({IDENTITY}) ({scores} - {scores} offset {length}s) > 0)" for length in (block, 2 * block))
    square = f"(sum by ({by}) ({later} ^ 2 / {both}) - on ({IDENTITY}) group_left () ({n1} ^ 2 / {n}))"
    score = f"{square} * on ({IDENTITY}) group_left () ({n} ^ 2 / {n1} / ({n} - {n1} > 0))"
    freedom = f"(count by ({by}) ({both}) - 1 > 0)"
    return f"avg_over_time(({score} / {freedom})[{span}s:{max(block, span // BLOCKS)}s])"
