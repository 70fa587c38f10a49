"""What is asked of Prometheus, for all deployments at once: a query per thing and length of time, never per object.

The only matcher is the revisions that are due. Identities are kept apart by grouping.
"""

from __future__ import annotations

from collections.abc import Iterable

from pintle.contract import metrics
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
)
_BINS = f"{IDENTITY}, profile, feature, output, bin"


def selector(names: Iterable[str], revisions: Iterable[str]) -> str:
    """All series of these metrics and revisions; no revisions: of any."""
    matchers = [f'__name__=~"{"|".join(names)}"']
    wanted = "|".join(sorted(set(revisions)))
    if wanted:
        matchers.append(f'revision=~"{wanted}"')
    return "{" + ",".join(matchers) + "}"


def growth(series: str, seconds: int) -> str:
    """By how much counters grew in the last `seconds`, to the row: differences of samples, nothing extrapolated.

    A series that began within that time began with 0, so that it counts whole: else the first minutes of a version
    would be lost. Only for one that was reset, or whose pod is gone, `increase` has to do.
    """
    before = f"({series} offset {seconds}s or {series} * 0)"
    return f"((({series} - {before}) unless resets({series}[{seconds}s]) > 0) or increase({series}[{seconds}s]))"


def reference(revisions: Iterable[str]) -> str:
    """References, floors and accuracies; every replica exports the same."""
    return f"max by (__name__, {_BINS}, window) ({selector(REFERENCE, revisions)})"


def bins(revisions: Iterable[str], seconds: int) -> str:
    """Rows by bin of features and predictions in the last `seconds`, replicas summed."""
    return f"sum by ({_BINS}) ({growth(selector((metrics.FEATURE_BIN, metrics.PREDICTION_BIN), revisions), seconds)})"


def totals(revisions: Iterable[str]) -> str:
    """Rows by bin of features and predictions since the pods that serve now began."""
    return f"sum by ({_BINS}) ({selector((metrics.FEATURE_BIN, metrics.PREDICTION_BIN), revisions)})"


def labels(revisions: Iterable[str], seconds: int) -> str:
    """Loss, labels by score bin and truth, predicted rows by score bin, of the last `seconds`; `counted` says which.

    Cohorts are summed: these are the labels that came in that time.
    """
    wanted = tuple(revisions)
    parts = {
        "sum": (metrics.FEEDBACK_LOSS_SUM, IDENTITY),
        "squares": (metrics.FEEDBACK_LOSS_SQUARES, IDENTITY),
        "count": (metrics.FEEDBACK_LOSS_COUNT, IDENTITY),
        "truth": (metrics.FEEDBACK, f"{IDENTITY}, score_bin, truth"),
        SCORE: (metrics.PREDICTION_BIN, f"{IDENTITY}, bin"),
    }
    return " or ".join(
        f'label_replace(sum by ({by}) ({growth(selector((name,), wanted), seconds)}), "counted", "{what}", "", "")'
        for what, (name, by) in parts.items()
    )


def dispersion(revisions: Iterable[str], span: int, block: int) -> str:
    """How much more blocks of `block` seconds scatter around the proportions of the last `span` than independent rows.

    Per feature (and output) the mean over the blocks of sum_b (x_b - n p_b)^2 / (n p_b), over occupied bins less one:
    1 when rows are independent, the size of the bursts when alike rows come together.
    """
    series = selector((metrics.FEATURE_BIN, metrics.PREDICTION_BIN), revisions)
    by = f"{IDENTITY}, profile, feature, output"
    whole = f"({series} @ end() - ({series} offset {span}s @ end() or {series} @ end() * 0) >= 0)"
    counts = f"sum by ({_BINS}) ({whole})"
    share = f"({counts} / on ({by}) group_left () sum by ({by}) ({whole}) > 0)"
    step = f"({series} - {series} offset {block}s >= 0)"
    expected = f"({share} * on ({by}) group_left () (sum by ({by}) ({step}) > 0))"
    score = f"sum by ({by}) ((sum by ({_BINS}) ({step}) - {expected}) ^ 2 / {expected})"
    return f"avg_over_time(({score})[{span}s:{block}s]) / (count by ({by}) ({share}) - 1)"
