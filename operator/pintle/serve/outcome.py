"""What a truth says of a prediction: which way it went, and how much was lost.

The loss of a row is proper and lies in [0, 1]: the squared error of P(positive) (Brier) for two classes, half the sum
of the squared errors of all probabilities for more, and for a regression the squared error in units of `scale`, cut off
at 1. An answer that is no number has lost 1.
"""

from __future__ import annotations

import math
from typing import Any

import orjson

from pintle.contract.digest import canonical, digest_bytes
from pintle.contract.manifest import BINARY, MULTICLASS, REGRESSION, Manifest
from pintle.contract.metrics import TRUTHS
from pintle.contract.profile import OutputProfile, Profile, float32, number_bins
from pintle.contract.token import MAX_BINS, MAX_CLASSES, Kind, Token

SCALE_OF_RMSE = 4.0
"""An error of so many times the error at evaluation is cut off."""


class Unreadable(ValueError):
    """This truth cannot be told of this token; the message says why."""


class Outcome:
    """Task, classes and score bins of a model, as far as tokens and labels need them."""

    def __init__(self, manifest: Manifest, profile: Profile | None, loss_scale: float = 0.0) -> None:
        """`loss_scale` 0: from the artifact (a regression only, else 1)."""
        output = profile.outputs[0] if profile is not None and profile.outputs else None
        edges = output.edges if output is not None and len(output.bins) <= MAX_BINS else ()
        self.edges = [float32(edge) for edge in edges]
        self.bins = number_bins(self.edges)
        self.task = manifest.task
        self.truths = TRUTHS[manifest.task]
        self.scale = 1.0
        if manifest.task == REGRESSION:
            self.scale = float32(loss_scale or _scale(manifest, output))
        self._positive = manifest.positive_index
        self.classes = len(manifest.labels)
        self._index: dict[Any, int] = {label_key(label): index for index, label in enumerate(manifest.labels)}
        self._index |= {label: index for index, label in enumerate(manifest.labels)}
        if manifest.task == BINARY:
            self.kind = Kind.PROBABILITY
        elif manifest.task == MULTICLASS:
            self.kind = Kind.CLASSES if self.classes <= MAX_CLASSES else Kind.TOP
        else:
            self.kind = Kind.VALUE
        means = [manifest.task, list(manifest.labels), self._positive]
        self.tag = int(digest_bytes(canonical(means)).removeprefix("sha256:")[:4], 16)

    def judge(self, token: Token, truth: Any) -> tuple[str, float]:
        """Value of the label `truth`, and the loss. Raises Unreadable."""
        if token.outcome != self.tag or token.kind != self.kind:
            raise Unreadable(
                f"revision {token.revision} answers with another task or other classes than this one: "
                "send it to that revision's own Service"
            )
        if self.task == REGRESSION:
            return self._judge_value(token, truth)
        index = self._class_of(truth)
        if self.task == BINARY:
            hit = index == self._positive
            return self.truths[hit], _squared(token.figures[0] - hit)
        if token.kind is Kind.CLASSES:
            shares = token.figures
            likely, chance, squares = shares.index(max(shares)), shares[index], sum(share * share for share in shares)
        else:
            likely, top, squares = int(token.figures[0]), *token.figures[1:]
            chance = top if likely == index else (1.0 - top) / (self.classes - 1)
        if not squares:  # every probability was no number
            return self.truths[False], 1.0
        loss = min(1.0, max(0.0, (squares - 2.0 * chance + 1.0) / 2.0))
        return self.truths[likely == index], loss

    def _judge_value(self, token: Token, truth: Any) -> tuple[str, float]:
        if type(truth) not in (int, float) or not math.isfinite(truth):
            raise Unreadable("the truth must be a number")
        value, scale = token.figures
        return self.truths[truth > value], _squared((value - truth) / scale)

    def _class_of(self, truth: Any) -> int:
        try:
            return self._index[truth]
        except (KeyError, TypeError):
            listed = ", ".join(str(name) for name in list(self._index)[:10] if type(name) is str)
            raise Unreadable(f"the truth {str(truth)[:50]!r} is none of the classes ({listed})") from None


def label_key(label: Any) -> str:
    """A label as a key of a JSON object."""
    return label if isinstance(label, str) else orjson.dumps(label).decode()


def _squared(error: float) -> float:
    """In [0, 1]; 1 for what is no number."""
    return 1.0 if math.isnan(error) or abs(error) >= 1.0 else error * error


def _scale(manifest: Manifest, output: OutputProfile | None) -> float:
    """A power of two, so that versions of like quality have the same; 1 where the artifact tells nothing."""
    metrics = manifest.raw.get("metrics")
    rmse = metrics.get("rmse") if isinstance(metrics, dict) else None
    wanted = SCALE_OF_RMSE * rmse if isinstance(rmse, int | float) and math.isfinite(rmse) else 0.0
    if wanted <= 0 and output is not None and len(output.edges) > 1:
        wanted = output.edges[-1] - output.edges[0]
    return float(2.0 ** max(-100, min(100, math.ceil(math.log2(wanted))))) if wanted > 0 else 1.0
