"""Counters as plain lists and arrays, rendered with line heads that were built at start (JUDGEMENT §7 and §8).

Every series exists from the first scrape on, with the value 0: a counter that appears with its first event loses it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from pintle.contract import metrics as names
from pintle.contract.profile import FeatureProfile, OutputProfile, Profile, reference_ratios, score_levels
from pintle.serve.settings import Identity

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
Counts = npt.NDArray[np.int64]

HELP = {
    names.REQUESTS: "Requests for predictions by result and route.",
    names.REQUEST_DURATION: "Time from the head of a request to its answer; without direct requests.",
    names.PREDICTIONS: "Rows answered; without those of direct requests.",
    names.FEATURE_BIN: "Rows by the bin a feature's value fell into.",
    names.PREDICTION_BIN: "Rows by the bin the score fell into.",
    names.SCORE_LEVEL: "Rows by the level of the score, of limits that are the same for all versions.",
    names.MONITOR_DROPPED: "Rows answered and not counted into bins.",
    names.CONNECTIONS_REFUSED: "Connections that were ended by the server for want of a request, or of a reader.",
    names.FEATURE_REFERENCE_RATIO: "Share of the training rows in a feature's bin.",
    names.FEATURE_REFERENCE_SAMPLES: "Training rows behind a feature's reference.",
    names.FEATURE_DRIFT_FLOOR: "PSI that the training data reach by themselves in blocks of a length.",
    names.PREDICTION_REFERENCE_RATIO: "Share of the evaluation rows in a bin of the score.",
    names.PREDICTION_REFERENCE_SAMPLES: "Evaluation rows behind the score's reference.",
    names.PREDICTION_DRIFT_FLOOR: "PSI that the evaluation rows' scores reach by themselves in blocks of a length.",
    names.PREDICTION_BIN_LIMIT: "Upper end of a bin of the score.",
    names.SCORE_BIN_ACCURACY: "Accuracy at evaluation of the rows whose score fell into a bin.",
    names.FEEDBACK: "Labels by the window of their predictions, the bin of the score and what turned out.",
    names.FEEDBACK_LOSS: "Losses of labelled rows.",
    names.FEEDBACK_LOSS_SQUARED: "Squared losses of labelled rows.",
    names.FEEDBACK_LOSS_SCALE: "What an error is divided by before it is squared.",
    names.FEEDBACK_LABELS: "Labels that came here, of whatever revision, by what became of them.",
}


class Metrics:
    """All series of one server. Counting belongs to the event loop's thread; nothing here waits or allocates much."""

    def __init__(self, identity: Identity) -> None:
        values = (identity.deployment, identity.revision, identity.model, identity.version)
        self._identity = dict(zip(names.IDENTITY_LABELS, values, strict=True))
        self._requests = {(result, route): 0 for result in names.RESULTS for route in names.ROUTES}
        self._buckets = [0] * (len(names.DURATION_BUCKETS) + 1)
        self._seconds = 0.0
        self._rows = 0
        self._dropped = dict.fromkeys(names.DROPPED_REASONS, 0)
        self._refused = dict.fromkeys(names.REFUSED_REASONS, 0)
        self._feedback: Callable[[], bytes] = bytes
        self.bins: Counts = np.zeros(0, dtype=np.int64)
        """One cell per bin series: the features' bins one after another, then the outputs', then the levels'."""
        self._bin_blocks: list[tuple[bytes, list[bytes]]] = []
        self._constant = b""
        self._request_heads = [
            self.head(names.REQUESTS, {"result": result, "route": route}) for result, route in self._requests
        ]
        limits = [*(format(limit, "g") for limit in names.DURATION_BUCKETS), "+Inf"]
        self._bucket_heads = [self.head(names.REQUEST_DURATION + "_bucket", {"le": limit}) for limit in limits]
        self._dropped_heads = [self.head(names.MONITOR_DROPPED, {"reason": reason}) for reason in self._dropped]
        self._refused_heads = [self.head(names.CONNECTIONS_REFUSED, {"reason": reason}) for reason in self._refused]

    def use_profile(
        self, profile: Profile, features: Sequence[FeatureProfile], outputs: Sequence[OutputProfile]
    ) -> None:
        """Make the bin series and the reference gauges of the features and outputs that this server counts."""
        tag = {"profile": profile.profile}
        feature_heads = [
            self.head(names.FEATURE_BIN, {**tag, "feature": feature.name, "bin": name})
            for feature in features
            for name in feature.bins
        ]
        output_heads = [
            self.head(names.PREDICTION_BIN, {**tag, "output": output.name, "bin": name})
            for output in outputs
            for name in output.bins
        ]
        level_heads = [
            self.head(names.SCORE_LEVEL, {"output": levels.name, "level": name})
            for levels in filter(None, map(score_levels, outputs))
            for name in levels.bins
        ]
        self.bins = np.zeros(len(feature_heads) + len(output_heads) + len(level_heads), dtype=np.int64)
        self._bin_blocks = [
            (preamble(names.FEATURE_BIN, "counter"), feature_heads),
            (preamble(names.PREDICTION_BIN, "counter"), output_heads),
        ]
        if level_heads:
            self._bin_blocks.append((preamble(names.SCORE_LEVEL, "counter"), level_heads))
        self._constant = self._reference(tag, features, outputs)

    def use_feedback(self, render: Callable[[], bytes]) -> None:
        """Have the series of labels in the exposition."""
        self._feedback = render

    def request(self, result: str, route: str, seconds: float) -> None:
        """Count one request for predictions; its time only where it came by the default route."""
        self._requests[result, route] += 1
        if route != names.ROUTE_DEFAULT:
            return  # judged never, and the histogram is judged
        self._buckets[bisect_left(names.DURATION_BUCKETS, seconds)] += 1
        self._seconds += seconds

    def answered(self, rows: int, seconds: float) -> None:
        """Count one request that was answered with predictions, by the default route."""
        self._rows += rows
        self._requests[_ANSWERED] += 1
        self._buckets[bisect_left(names.DURATION_BUCKETS, seconds)] += 1
        self._seconds += seconds

    def dropped(self, reason: str, count: int) -> None:
        """Count rows that no bin will hold."""
        self._dropped[reason] += count

    def refused(self, reason: str) -> None:
        """Count a connection that was ended, and of which no request will tell."""
        self._refused[reason] += 1

    def render(self) -> bytes:
        """The exposition, Prometheus text format 0.0.4."""
        parts = [preamble(names.REQUESTS, "counter")]
        parts += [b"%b%d\n" % pair for pair in zip(self._request_heads, self._requests.values(), strict=True)]
        parts.append(preamble(names.REQUEST_DURATION, "histogram"))
        total = 0
        for head, count in zip(self._bucket_heads, self._buckets, strict=True):
            total += count
            parts.append(b"%b%d\n" % (head, total))
        parts.append(self.head(names.REQUEST_DURATION + "_sum", {}) + repr(self._seconds).encode() + b"\n")
        parts.append(b"%b%d\n" % (self.head(names.REQUEST_DURATION + "_count", {}), total))
        parts += [preamble(names.PREDICTIONS, "counter"), b"%b%d\n" % (self.head(names.PREDICTIONS, {}), self._rows)]
        parts.append(preamble(names.MONITOR_DROPPED, "counter"))
        parts += [b"%b%d\n" % pair for pair in zip(self._dropped_heads, self._dropped.values(), strict=True)]
        parts.append(preamble(names.CONNECTIONS_REFUSED, "counter"))
        parts += [b"%b%d\n" % pair for pair in zip(self._refused_heads, self._refused.values(), strict=True)]
        counts = self.bins.tolist()
        start = 0
        for text, heads in self._bin_blocks:
            parts.append(text)
            parts += [b"%b%d\n" % pair for pair in zip(heads, counts[start : start + len(heads)], strict=True)]
            start += len(heads)
        parts += [self._constant, self._feedback()]
        return b"".join(parts)

    def _reference(
        self, tag: Mapping[str, str], features: Sequence[FeatureProfile], outputs: Sequence[OutputProfile]
    ) -> bytes:
        """The gauges that never change, as one piece of text."""
        lines = {name: [preamble(name, "gauge")] for name in _GAUGES}

        def add(name: str, labels: Mapping[str, str], value: float) -> None:
            lines[name].append(self._line(name, {**tag, **labels}, value))

        profiles: list[FeatureProfile | OutputProfile] = [*features, *outputs]
        for profiled in profiles:
            kind = "feature" if isinstance(profiled, FeatureProfile) else "output"
            ratio, samples, floor = _REFERENCE[kind]
            labels = {kind: profiled.name}
            for bin_, value in zip(profiled.bins, reference_ratios(profiled.counts), strict=True):
                add(ratio, {**labels, "bin": bin_}, value)
            add(samples, labels, profiled.rows)
            for window, value in profiled.floors.items():
                add(floor, {**labels, "window": window}, value)
        for output in outputs:
            for bin_, limit in zip(output.bins, output.edges, strict=False):
                add(names.PREDICTION_BIN_LIMIT, {"output": output.name, "bin": bin_}, limit)
            for bin_, accuracy in zip(output.bins, output.accuracy, strict=False):
                if accuracy is not None:
                    add(names.SCORE_BIN_ACCURACY, {"output": output.name, "bin": bin_}, accuracy)
        return b"".join(line for name in _GAUGES for line in lines[name])

    def head(self, name: str, labels: Mapping[str, str]) -> bytes:
        """All of a line but its value."""
        text = ",".join(f'{key}="{_escape(value)}"' for key, value in {**self._identity, **labels}.items())
        return f"{name}{{{text}}} ".encode()

    def _line(self, name: str, labels: Mapping[str, str], value: float) -> bytes:
        return self.head(name, labels) + repr(value).encode() + b"\n"


_ANSWERED = (names.RESULTS[0], names.ROUTE_DEFAULT)
_REFERENCE = {
    "feature": (names.FEATURE_REFERENCE_RATIO, names.FEATURE_REFERENCE_SAMPLES, names.FEATURE_DRIFT_FLOOR),
    "output": (names.PREDICTION_REFERENCE_RATIO, names.PREDICTION_REFERENCE_SAMPLES, names.PREDICTION_DRIFT_FLOOR),
}
_GAUGES = (*_REFERENCE["feature"], *_REFERENCE["output"], names.PREDICTION_BIN_LIMIT, names.SCORE_BIN_ACCURACY)


def preamble(name: str, kind: str) -> bytes:
    return f"# HELP {name} {HELP[name]}\n# TYPE {name} {kind}\n".encode()


def _escape(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
