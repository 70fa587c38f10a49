"""From what a look at Prometheus brought about one revision to its Findings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from pintle.api.watching import Drift, LabelledMetric, Monitoring, Window
from pintle.core.judgement.findings import Finding, Findings, Labelled
from pintle.core.judgement.verdict import FAIL, NEED_MORE_DATA, PASS, SOURCE_ERROR
from pintle.core.watching import accuracy, labels
from pintle.core.watching.causes import ESTIMATED_METRIC, FEATURE_DRIFT, LABELLED_METRIC, PREDICTION_DRIFT, SKEW
from pintle.core.watching.counts import Counts, LabelCounts
from pintle.core.watching.drift import SECONDS, Limits, find_features, find_score
from pintle.core.watching.estimate import BLIND, estimated_accuracy
from pintle.core.watching.labels import Estimate
from pintle.core.watching.queries import LabelWindow
from pintle.core.watching.reference import Reference

FIRST_DAY = "1d"
"""Skew is what is there from the first rows on: it is looked for in the first block of this length."""


@dataclass(frozen=True)
class Seen:
    """What a look at Prometheus brought about the revision that serves."""

    revision: str
    at: float
    """Unix seconds."""
    lived: float
    """Seconds since the revision was made."""
    reference: Reference | None = None
    windows: Mapping[int, Counts] = field(default_factory=dict)
    """By length in seconds. A revision without a row has empty counts, not none."""
    since_start: Counts | None = None
    """Since its pods began; only asked for while it is young."""
    labels: Mapping[LabelWindow, LabelCounts] = field(default_factory=dict)
    bursts: Mapping[str, float] = field(default_factory=dict)
    """Design effect by feature; of the predictions under "" (see queries.dispersion)."""
    error: str = ""


def windows_of(monitoring: Monitoring) -> tuple[Window, ...]:
    """The windows that bins are asked for: of `drift`, or its defaults where only the estimate needs them."""
    if monitoring.drift is None and monitoring.minEstimatedAccuracy is None:
        return ()
    return tuple((monitoring.drift or Drift()).windows)


def label_window(metric: LabelledMetric) -> LabelWindow:
    """Of which labels a metric is."""
    return LabelWindow(metric.windowSeconds, metric.labelAgeSeconds)


def label_windows(monitoring: Monitoring) -> tuple[LabelWindow, ...]:
    """What labels are asked for."""
    return tuple(sorted({label_window(metric) for metric in monitoring.labelled or ()}, key=str))


def is_young(drift: Drift, lived: float) -> bool:
    """Whether these still are its first rows: of a day, or of twice the shortest window.

    A replay at another speed shows by the floors that its windows name how long a day is.
    """
    speed = max(window.seconds / SECONDS[window.floor] if window.floor else 1.0 for window in drift.windows)
    shortest = min(window.seconds for window in drift.windows)
    return lived <= max(SECONDS[FIRST_DAY] * speed, 2 * shortest)


def for_periods(monitoring: Monitoring) -> int:
    """Looks in a row that must find something."""
    return (monitoring.drift or Drift()).forPeriods


def find(monitoring: Monitoring, seen: Seen, before: Findings | None) -> Findings:
    """Findings of this look; `before` are those of the last one, whose counting goes on if it was the same revision."""
    if before is not None and before.revision != seen.revision:
        before = None
    found = Findings(seen.revision, seen.at)
    if seen.error:
        kept = before or found
        asked = dict.fromkeys(_asked(monitoring), SOURCE_ERROR)
        return replace(kept, at=seen.at, error=seen.error, verdicts=asked, messages={})
    if seen.reference is not None:
        found = _with_drift(monitoring, seen, seen.reference, before, found)
        found = _with_estimate(monitoring, seen, seen.reference, found)
    else:
        found = _without_reference(monitoring, seen, found)
    return _counted(_with_labels(monitoring, seen, found), before)


def _asked(monitoring: Monitoring) -> Iterable[str]:
    if monitoring.drift is not None:
        yield from (FEATURE_DRIFT, PREDICTION_DRIFT, SKEW)
    if monitoring.minEstimatedAccuracy is not None:
        yield ESTIMATED_METRIC
    if monitoring.labelled:
        yield LABELLED_METRIC


def _without_reference(monitoring: Monitoring, seen: Seen, found: Findings) -> Findings:
    asked = [cause for cause in _asked(monitoring) if cause != LABELLED_METRIC]
    if not asked:
        return found
    message = (
        f"no reference of revision {seen.revision} is in Prometheus: its version has no profile.json, "
        "or its pods are not scraped"
    )
    return _said(found, dict.fromkeys(asked, (SOURCE_ERROR, message)))


def _with_drift(
    monitoring: Monitoring, seen: Seen, reference: Reference, before: Findings | None, found: Findings
) -> Findings:
    drift = monitoring.drift
    if drift is None:
        return found
    limits = Limits.of(drift)
    windows = [(window, seen.windows.get(window.seconds, Counts())) for window in drift.windows]
    features = find_features(windows, reference, limits, seen.bursts, seen.lived)
    features = _looks(features, before.features if before else ())
    score = find_score(windows, reference, limits, seen.bursts.get("", 1.0), seen.lived)
    if score is not None:
        (score,) = _looks((score,), (before.score,) if before and before.score else ())
    found = replace(found, features=features, score=score, watched=len(reference.features))
    enough = any((counts.near_only or 0.0) >= limits.min_rows for _, counts in windows)
    said = {FEATURE_DRIFT: (_verdict(features, enough), "")}
    if score is not None:
        said[PREDICTION_DRIFT] = (score.verdict, "")
    else:
        said[PREDICTION_DRIFT] = (NEED_MORE_DATA, "the version has no reference for its predictions")
    found = _said(found, said)
    return _with_skew(drift, limits, seen, reference, before, found)


def _with_skew(
    drift: Drift, limits: Limits, seen: Seen, reference: Reference, before: Findings | None, found: Findings
) -> Findings:
    """The first rows, all together; their floor is that of the longest window that has passed since."""
    if seen.since_start is None or not is_young(drift, seen.lived):
        return found
    passed = [window for window in drift.windows if window.seconds <= seen.lived]
    if not passed:
        return _said(found, {SKEW: (NEED_MORE_DATA, "")})
    longest = max(passed, key=lambda window: window.seconds)
    features = find_features([(longest, seen.since_start)], reference, limits, seen.bursts, seen.lived)
    features = _looks(features, before.skew if before else ())
    skew = tuple(finding for finding in features if finding.verdict == FAIL)
    return _said(replace(found, skew=skew), {SKEW: (_verdict(features), "")})


def _with_estimate(monitoring: Monitoring, seen: Seen, reference: Reference, found: Findings) -> Findings:
    """In the longest window."""
    bound = monitoring.minEstimatedAccuracy
    if bound is None:
        return found
    drift = monitoring.drift or Drift()
    seconds = max(window.seconds for window in drift.windows)
    live = seen.windows.get(seconds, Counts()).score
    rows = sum(live.values())
    estimate = estimated_accuracy(live, reference.accuracy)
    if estimate is None:
        why = "the score bins of these rows have no accuracy from evaluation" if rows else "no rows"
        return _said(found, {ESTIMATED_METRIC: (NEED_MORE_DATA, why)})
    verdict = labels.judge(estimate, rows, drift.minRows, low=float(bound))
    message = f"accuracy {estimate.value:.3f} on {rows:.0f} rows ({BLIND}), at least {bound} is asked for"
    return _said(replace(found, estimated_accuracy=estimate.value), {ESTIMATED_METRIC: (verdict, message)})


def _with_labels(monitoring: Monitoring, seen: Seen, found: Findings) -> Findings:
    judged = [_labelled(metric, seen) for metric in monitoring.labelled or ()]
    if not judged:
        return found
    labelled = Labelled(
        rows=max(part.rows for _, part, _ in judged),
        loss=next((part.loss for _, part, _ in judged if part.loss is not None), None),
        auc=next((part.auc for _, part, _ in judged if part.auc is not None), None),
        coverage=min((part.coverage for _, part, _ in judged if part.coverage is not None), default=None),
        selective=next((part.selective for _, part, _ in judged if part.selective), ""),
        figures={key: value for _, part, _ in judged for key, value in part.figures.items()},
    )
    failing = [entry for entry in judged if entry[0] == FAIL]
    verdict = FAIL if failing else PASS if any(entry[0] == PASS for entry in judged) else NEED_MORE_DATA
    message = "; ".join(entry[2] for entry in failing or judged)
    found = _said(replace(found, labelled=labelled), {LABELLED_METRIC: (verdict, message)})
    return replace(found, tells_only=found.tells_only | {LABELLED_METRIC}) if labelled.selective else found


def _labelled(metric: LabelledMetric, seen: Seen) -> tuple[str, Labelled, str]:
    """Verdict, figures and message of one metric."""
    window = label_window(metric)
    counts = seen.labels.get(window, LabelCounts())
    rows = counts.loss_count
    estimate, words = _estimate(metric, counts, seen.reference)
    low, high = (float(bound) if bound is not None else None for bound in (metric.min, metric.max))
    verdict = labels.judge(estimate, rows, metric.minRows, low, high)
    limits, scale = (seen.reference.limits, seen.reference.loss_scale) if seen.reference else ({}, None)
    every = accuracy.figures(counts, limits, scale, float(metric.threshold or accuracy.THRESHOLD))
    part = Labelled(
        rows,
        loss=every.get("loss"),
        auc=every.get("auc"),
        coverage=every.get("coverage"),
        selective=labels.selective(counts) if rows >= metric.minRows else "",
        figures={
            (name, window.words): value
            for name, value in every.items()
            if metric.threshold is None or name == metric.metric
        },
    )
    if estimate is None and rows >= metric.minRows:
        return verdict, part, f"{metric.metric}: {words}"
    if estimate is None:
        return verdict, part, f"{rows:.0f} labelled rows, {metric.minRows} are needed"
    bounds = [f"{word} {bound}" for word, bound in (("min", metric.min), ("max", metric.max)) if bound is not None]
    figures = f"{words} {estimate.value:.4g} (standard error {estimate.error:.2g}) of {rows:.0f} labelled rows"
    return verdict, part, f"{figures}, {', '.join(bounds)}"


def _estimate(metric: LabelledMetric, counts: LabelCounts, reference: Reference | None) -> tuple[Estimate | None, str]:
    """The figure, and what it is called; or None, and why."""
    if metric.metric == "loss":
        return labels.loss(counts), metric.metric
    if metric.metric == "auc":
        return labels.auc(counts) or None, "auc" if labels.auc(counts) else "labels of two classes are needed"
    limits = reference.limits if reference is not None else {}
    sides = accuracy.cut(counts, limits, float(metric.threshold or accuracy.THRESHOLD))
    if sides is None:
        return None, "labels of two classes are needed, and servers that export model_prediction_bin_limit"
    if metric.metric == "calibration":
        return accuracy.calibration(counts, limits), metric.metric
    found = accuracy.recall(sides) if metric.metric == "recall" else accuracy.precision(sides)
    words = f"{metric.metric} from a score of {sides.at:.3g} on"
    return found, words if found is not None else f"no row of a score from {sides.at:.3g} on, or no positive one"


def _looks(findings: tuple[Finding, ...], before: Iterable[Finding]) -> tuple[Finding, ...]:
    """With the number of looks in a row that found each; too few rows neither add to it nor break it."""
    known = {finding.feature: finding.looks for finding in before}
    return tuple(
        replace(finding, looks=_next(finding.verdict, FAIL, known.get(finding.feature, 0))) for finding in findings
    )


def _next(verdict: str, wanted: str, before: int) -> int:
    if verdict == wanted:
        return before + 1
    return 0 if verdict in (FAIL, PASS) else before


def _verdict(features: tuple[Finding, ...], enough: bool = False) -> str:
    """Of all features together: one that drifts is enough; quiet if one could be judged.

    `enough`: so could those be that are not near to drift, and therefore not in the list.
    """
    verdicts = {finding.verdict for finding in features} | ({PASS} if enough else set())
    return next((verdict for verdict in (FAIL, PASS) if verdict in verdicts), NEED_MORE_DATA)


def _said(found: Findings, said: Mapping[str, tuple[str, str]]) -> Findings:
    verdicts = {cause: verdict for cause, (verdict, _) in said.items()}
    messages = {cause: message for cause, (_, message) in said.items() if message}
    return replace(found, verdicts={**found.verdicts, **verdicts}, messages={**found.messages, **messages})


def _counted(found: Findings, before: Findings | None) -> Findings:
    """With the looks in a row by cause: for drift those of its most lasting feature."""
    periods, quiet = {}, {}
    for cause, verdict in found.verdicts.items():
        lasting = _lasting(found, cause)
        previous = before.periods.get(cause, 0) if before else 0
        periods[cause] = lasting if lasting is not None else _next(verdict, FAIL, previous)
        quiet[cause] = _next(verdict, PASS, before.quiet.get(cause, 0) if before else 0)
    return replace(found, periods=periods, quiet=quiet)


def _lasting(found: Findings, cause: str) -> int | None:
    about = {FEATURE_DRIFT: found.features, SKEW: found.skew, PREDICTION_DRIFT: (found.score,)}.get(cause)
    if about is None:
        return None
    return max((finding.looks for finding in about if finding is not None), default=0)


def would_alarm(found: Findings) -> bool:
    """Something drifts by these counts: now it matters how bursty they are."""
    return any(found.verdicts.get(cause) == FAIL for cause in (FEATURE_DRIFT, PREDICTION_DRIFT, SKEW))


def signature(found: Findings, periods: int) -> object:
    """What of it matters: findings with the same one say the same, in other figures."""
    reached = tuple(
        (cause, verdict, found.periods.get(cause, 0) >= periods, found.quiet.get(cause, 0) >= periods)
        for cause, verdict in found.verdicts.items()
    )
    score = (found.score,) if found.score is not None else ()
    drifting = tuple(
        sorted(
            (finding.feature, finding.bin, finding.tells_only)
            for part in (found.features, score, found.skew)
            for finding in lasting(part, periods)
        )
    )
    return found.revision, found.error, reached, drifting, found.labelled.selective if found.labelled else ""


def lasting(findings: Iterable[Finding], periods: int) -> tuple[Finding, ...]:
    """Those that were found often enough in a row."""
    return tuple(finding for finding in findings if finding.verdict == FAIL and finding.looks >= periods)
