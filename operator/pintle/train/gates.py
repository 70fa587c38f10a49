"""Gates: what a model must show on rows that are later than its training rows. Four verdicts, never two.

min, max      the value itself against a bound
comparedTo    the improvement over the baseline or the champion, by paired block bootstrap, against a bound:
              minImprovement for Better, -margin for NotWorse. Only rows count that are later than what either was
              trained on; without a champion that can be asked the baseline takes its place
              Pass <=> lower 95 % end > bound;  Fail <=> upper end <= bound;  else it is not shown: NeedMoreData
slice         the same for every value of a feature; a value with too few rows is NeedMoreData by itself
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pintle.contract.exits import Exit
from pintle.contract.manifest import REGRESSION
from pintle.train.bootstrap import MIN_BLOCKS, Interval, blocks_of, interval, resample
from pintle.train.metrics import METRICS, Metric
from pintle.train.outcome import REQUEST_INVALID, Refusal
from pintle.train.truth import Floats, Ints, Truth

if TYPE_CHECKING:
    import pandas as pd

    from pintle.train.champion import Champion

BASELINE = "Baseline"
PASS, FAIL, NEED_MORE_DATA = "Pass", "Fail", "NeedMoreData"
MIN_ROWS = 50
MIN_CLASS_ROWS = 10
MAX_SLICES = 100


@dataclass(frozen=True)
class Evidence:
    """Everything gates are judged on: the same rows for candidate, champion and baselines."""

    truth: Truth
    candidate: Floats
    baselines: Mapping[str, Floats]
    frame: pd.DataFrame
    times: pd.Series | None
    seed: int
    champion: Champion | None = None
    no_champion: str = ""
    """Why there is none."""


@dataclass(frozen=True)
class Judged:
    """The verdict of a gate on all rows or on one slice; `bound` is what `low` (or `value`) had to reach."""

    verdict: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    bound: float | None = None
    rows: int = 0
    blocks: int = 0
    candidate: float | None = None
    other: float | None = None
    """The metric of what is compared with, on the same rows."""
    why: str = ""

    def to_json(self) -> dict[str, Any]:
        """Without what is not known; numbers to six digits."""
        entry = {key: _short(value) for key, value in vars(self).items()}
        return {key: value for key, value in entry.items() if value not in (None, "")}


def overall(verdicts: Sequence[str]) -> str:
    """Fail before NeedMoreData before Pass; no gate at all passes."""
    for verdict in (FAIL, NEED_MORE_DATA):
        if verdict in verdicts:
            return verdict
    return PASS


def judge(gate: Mapping[str, Any], evidence: Evidence) -> dict[str, Any]:
    """The gate with its verdict, and those of its slices. Raises Refusal(CONFIG) for a gate that cannot be judged."""
    metric = _metric(gate, evidence.truth.task)
    named = {key: gate[key] for key in ("metric", "comparedTo", "require", "slice") if gate.get(key)}
    try:
        block = blocks_of(evidence.times, len(evidence.truth), gate.get("blockBy"))
    except ValueError as error:
        raise Refusal(Exit.CONFIG, REQUEST_INVALID, f"gate on {metric.name}: {error}") from error
    everything = np.ones(len(evidence.truth), dtype=bool)
    if not gate.get("slice"):
        return {**named, **_judge_rows(gate, metric, evidence, everything, block).to_json()}
    slices = {
        value: _judge_rows(gate, metric, evidence, mask, block)
        for value, mask in _slices(str(gate["slice"]), evidence.frame)
    }
    # Small slices, which have no value, say nothing by themselves; only where all are small the gate lacks data.
    verdicts = [judged.verdict for judged in slices.values() if judged.value is not None]
    verdict = overall(verdicts) if verdicts else NEED_MORE_DATA
    return {**named, "verdict": verdict, "slices": {key: judged.to_json() for key, judged in slices.items()}}


@dataclass(frozen=True)
class _Rival:
    """What a gate compares with, and on which rows."""

    others: Mapping[str, Floats]
    rows: npt.NDArray[np.bool_]
    about: str = ""
    """Of which rows there may be too few."""
    instead: str = ""
    """Why the baseline takes the champion's place."""


def _rival(gate: Mapping[str, Any], evidence: Evidence) -> _Rival:
    everything = np.ones(len(evidence.truth), dtype=bool)
    champion = evidence.champion
    if gate.get("comparedTo") in (None, BASELINE):
        return _Rival(evidence.baselines, everything)
    if champion is None:
        return _Rival(evidence.baselines, everything, instead=f" ({evidence.no_champion})")
    about = f", later than {champion.through}, which {champion.name} was trained on" if champion.through else ""
    return _Rival({champion.name: champion.prediction}, champion.later, about)


def _judge_rows(
    gate: Mapping[str, Any], metric: Metric, evidence: Evidence, mask: npt.NDArray[np.bool_], block: Ints
) -> Judged:
    rival = _rival(gate, evidence)
    mask = mask & rival.rows
    truth, rows = evidence.truth.rows(mask), int(mask.sum())
    block = np.asarray(np.unique(block[mask], return_inverse=True)[1], dtype=np.int64)
    blocks = int(block.max()) + 1 if rows else 0
    lacking = _lacking(truth, rows, blocks)
    if lacking:
        return Judged(NEED_MORE_DATA, rows=rows, blocks=blocks, why=lacking + rival.about)
    counts = resample(blocks, evidence.seed)
    plain = metric.estimate(truth, evidence.candidate[mask], block, np.ones((1, blocks)))
    replicates = metric.estimate(truth, evidence.candidate[mask], block, counts)
    found = interval(float(plain[0]), replicates, blocks)
    judged = _bounds(gate, found, rows, blocks)
    if gate.get("comparedTo") and judged.verdict == PASS:
        others = {name: prediction[mask] for name, prediction in rival.others.items()}
        compared = _compare(gate, metric, truth, (float(plain[0]), replicates), others, block, counts)
        return replace(compared, why=compared.why + rival.instead)
    return judged


def _bounds(gate: Mapping[str, Any], found: Interval, rows: int, blocks: int) -> Judged:
    """`min` and `max` bound the value itself; its interval is shown, not judged."""
    verdict, bound, why = PASS, None, ""
    if gate.get("min") is not None:
        bound = float(gate["min"])
        if not found.value >= bound:
            verdict, why = FAIL, "below min"
    if gate.get("max") is not None and verdict == PASS:
        bound = float(gate["max"])
        if not found.value <= bound:
            verdict, why = FAIL, "above max"
    return Judged(verdict, found.value, found.low, found.high, bound, rows, blocks, why=why)


def _compare(
    gate: Mapping[str, Any],
    metric: Metric,
    truth: Truth,
    candidate: tuple[float, Floats],
    others: Mapping[str, Floats],
    block: Ints,
    counts: Floats,
) -> Judged:
    """Against the better of the others, on the same resamples."""
    sign = 1.0 if metric.higher_is_better else -1.0
    values = {name: metric.value(truth, prediction) for name, prediction in others.items()}
    best = max(values, key=lambda name: sign * values[name])
    other = metric.estimate(truth, others[best], block, counts)
    blocks = counts.shape[1]
    found = interval(sign * (candidate[0] - values[best]), sign * (candidate[1] - other), blocks)
    not_worse = gate.get("require") == "NotWorse"
    bound = -float(gate.get("margin") or 0) if not_worse else float(gate.get("minImprovement") or 0)
    verdict, why = PASS, f"against {best}"
    if not found.low > bound:
        # Only what is shown refuses a model: with the bound inside the interval, more rows could show either.
        refuted = found.high <= bound
        verdict = FAIL if refuted else NEED_MORE_DATA
        why = f"{_refuted(found) if refuted else 'is not shown yet to be good enough against'} {best}"
    both = (candidate[0], values[best])
    return Judged(verdict, found.value, found.low, found.high, bound, len(truth), blocks, *both, why)


def _refuted(found: Interval) -> str:
    return "is worse than" if found.high < 0 else "is not good enough against"


def _lacking(truth: Truth, rows: int, blocks: int) -> str:
    """What is missing for a verdict, or nothing."""
    if rows < MIN_ROWS:
        return f"{rows} rows, {MIN_ROWS} needed"
    if blocks < MIN_BLOCKS:
        return f"{blocks} blocks, {MIN_BLOCKS} needed"
    if truth.task != REGRESSION:
        present = np.bincount(truth.values, minlength=len(truth.labels))
        scarce = [str(label) for label, n in zip(truth.labels, present, strict=True) if n < MIN_CLASS_ROWS]
        if len(truth.labels) - len(scarce) < 2:
            return f"fewer than {MIN_CLASS_ROWS} rows of class {', '.join(scarce[:3])}"
    return ""


def _slices(name: str, frame: pd.DataFrame) -> list[tuple[str, npt.NDArray[np.bool_]]]:
    """(value, rows) of the most frequent values of a feature. Raises Refusal for an unknown feature."""
    if name not in frame:
        raise Refusal(Exit.CONFIG, REQUEST_INVALID, f"gate: slice {name!r} is no feature")
    column = frame[name]
    values = column.value_counts(dropna=True).head(MAX_SLICES).index
    return [(_label(value), (column == value).to_numpy(dtype=bool)) for value in values]


def _metric(gate: Mapping[str, Any], task: str) -> Metric:
    name = str(gate.get("metric"))
    metric = METRICS.get(name)
    if metric is None or task not in metric.tasks:
        known = ", ".join(item.name for item in METRICS.values() if task in item.tasks)
        raise Refusal(Exit.CONFIG, REQUEST_INVALID, f"gate: {name!r} is no metric of a {task}; there are {known}")
    return metric


def _label(value: Any) -> str:
    if value == "":
        return "missing"
    return f"{value:g}" if isinstance(value, float | np.floating) else str(value)


def _short(value: Any) -> Any:
    if not isinstance(value, float):
        return value
    return float(f"{value:.6g}") if np.isfinite(value) else None
