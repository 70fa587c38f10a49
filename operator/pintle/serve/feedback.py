"""Truths that come late: each is matched to its prediction by the token of the answer, once, and counted."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from pintle.contract import metrics as names
from pintle.contract.token import Signer, Token
from pintle.serve.http import Answer, BadRequest, json_answer, parse_json
from pintle.serve.labels import LabelCounts, Series
from pintle.serve.metrics import Metrics, preamble
from pintle.serve.outcome import Outcome, Unreadable
from pintle.serve.settings import Identity

SHAPE = '{"feedback": [{"token": "...", "truth": value}]}'
SLICE_LABELS = 256
"""Labels counted in one turn of the event loop: about a millisecond."""
MAX_ERRORS = 5


class Memory:
    """The last tokens, so that none counts twice: at least the last `size` of them, at most twice as many."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._new: set[int] = set()
        self._old: set[int] = set()

    def __contains__(self, mark: int) -> bool:
        return mark in self._new or mark in self._old

    def add(self, mark: int) -> None:
        self._new.add(mark)
        if len(self._new) >= self._size:
            self._old, self._new = self._new, set()


class Tally:
    """What became of the labels of one request."""

    def __init__(self) -> None:
        self.counts = {name: 0 for name in names.LABEL_RESULTS if name != names.LABEL_DROPPED}
        self.errors: list[str] = []

    def add(self, result: str, index: int, message: str) -> None:
        """One label; `message` says why it was not taken."""
        self.counts[result] += 1
        if message and len(self.errors) < MAX_ERRORS:
            self.errors.append(f"feedback {index}: {message}")

    def answer(self) -> Answer:
        """`otherRevision` of `accepted` are labels of other revisions."""
        counts = self.counts
        found: dict[str, Any] = {
            "accepted": counts[names.LABEL_ACCEPTED] + counts[names.LABEL_OTHER_REVISION],
            "otherRevision": counts[names.LABEL_OTHER_REVISION],
            "duplicate": counts[names.LABEL_DUPLICATE],
            "unknown": counts[names.LABEL_UNKNOWN],
            "invalid": counts[names.LABEL_INVALID],
        }
        return json_answer(found | ({"errors": self.errors} if self.errors else {}))


class Feedback:
    """Takes labels of any revision of the deployment. Belongs to the event loop's thread."""

    def __init__(
        self,
        identity: Identity,
        outcome: Outcome,
        signers: tuple[Signer, ...],
        metrics: Metrics,
        *,
        cohort_seconds: int | None,
        memory: int,
        max_labels: int,
        now: Callable[[], float] = time.time,
    ) -> None:
        """`cohort_seconds` None: this revision gives no tokens, and has no series of its own before a label comes."""
        self._outcome = outcome
        self._signers = signers
        self._own = Series(identity.revision, identity.version)
        cells = tuple((name, truth) for name in outcome.bins for truth in outcome.truths)
        self._labels = LabelCounts(self._own, metrics.head, cells)
        self._cohort_seconds = cohort_seconds
        self._memory = Memory(memory)
        self._max_labels = max_labels
        self._now = now
        self._results = dict.fromkeys(names.LABEL_RESULTS, 0)
        self._result_heads = {name: metrics.head(names.FEEDBACK_LABELS, {"result": name}) for name in self._results}
        self._scale = preamble(names.FEEDBACK_LOSS_SCALE, "gauge")
        self._scale += metrics.head(names.FEEDBACK_LOSS_SCALE, {}) + repr(outcome.scale).encode() + b"\n"
        metrics.use_feedback(self.render)

    def read(self, body: bytes) -> list[Any]:
        """The labels of a body, still unchecked. Raises BadRequest."""
        value = parse_json(body)
        labels = value.get("feedback") if type(value) is dict and len(value) == 1 else None
        if type(labels) is not list:
            raise BadRequest(f"the body must be {SHAPE}")
        if len(labels) > self._max_labels:
            raise BadRequest(f"{len(labels)} labels in one request, at most {self._max_labels} are allowed", 413)
        for index, label in enumerate(labels):
            if type(label) is not dict or type(label.get("token")) is not str or "truth" not in label:
                raise BadRequest(f"feedback {index} must be an object with a token (a string) and a truth")
        return labels

    def count(self, labels: list[Any], first: int, tally: Tally) -> None:
        """Count up to SLICE_LABELS of them, from `first` on."""
        for index in range(first, min(first + SLICE_LABELS, len(labels))):
            result, message = self._count_one(labels[index]["token"], labels[index]["truth"])
            self._results[result] += 1
            tally.add(result, index, message)

    def render(self) -> bytes:
        """The series of labels, as Prometheus reads them."""
        if self._cohort_seconds is not None:
            self._labels.begin(int(self._now()) // self._cohort_seconds * self._cohort_seconds)
        lines = self._labels.render()
        parts = [preamble(names.FEEDBACK, "counter"), *lines[names.FEEDBACK], preamble(names.FEEDBACK_LOSS, "summary")]
        parts += [*lines[names.FEEDBACK_LOSS_SUM], *lines[names.FEEDBACK_LOSS_COUNT]]
        parts += [preamble(names.FEEDBACK_LOSS_SQUARED, "summary"), *lines[names.FEEDBACK_LOSS_SQUARES]]
        self._results[names.LABEL_DROPPED] = self._labels.dropped
        parts.append(preamble(names.FEEDBACK_LABELS, "counter"))
        parts += [b"%b%d\n" % (self._result_heads[name], count) for name, count in self._results.items()]
        parts.append(self._scale)
        return b"".join(parts)

    def _open(self, text: str) -> tuple[Token, int] | None:
        for signer in self._signers:
            if opened := signer.open(text):
                return opened
        return None

    def _count_one(self, text: str, truth: Any) -> tuple[str, str]:
        """What became of a label, and why it was not taken."""
        opened = self._open(text)
        if opened is None:
            return names.LABEL_UNKNOWN, "the token was not given by this deployment"
        token, mark = opened
        if mark in self._memory:
            return names.LABEL_DUPLICATE, ""
        try:
            turned, loss = self._outcome.judge(token, truth)
        except Unreadable as error:
            return names.LABEL_INVALID, str(error)
        self._memory.add(mark)
        own = token.revision == self._own.revision
        series = self._own if own else Series(token.revision, str(token.version))
        self._labels.add(series, token.cohort, (token.score_bin, turned), loss)
        return (names.LABEL_ACCEPTED if own else names.LABEL_OTHER_REVISION), ""
