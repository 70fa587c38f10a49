"""Writing the tokens of a batch: few rows by hand, many rows by array; both give what `Signer.encode` gives."""

from __future__ import annotations

import math
import secrets
import struct
import time
from bisect import bisect_right
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from pintle.contract.token import (
    CODE_MISSING,
    CODE_OTHER,
    ROW,
    SIGNATURE_BYTES,
    UNIT,
    Kind,
    Signer,
    head,
    padding,
    to_text,
)
from pintle.serve.models import Float32, Prediction
from pintle.serve.outcome import Outcome
from pintle.serve.settings import Identity

Bytes2 = npt.NDArray[np.uint8]
MANY_ROWS = 16
"""From so many rows on arrays are cheaper."""
_ROWS = np.dtype([("cohort", ">u4"), ("bin", "u1"), ("high", ">u2"), ("low", ">u4")])


class TokenWriter:
    """Tokens for the answers of one revision. Belongs to the event loop's thread."""

    def __init__(
        self,
        identity: Identity,
        outcome: Outcome,
        signer: Signer,
        cohort_seconds: int,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Raises ValueError, OverflowError where revision or version of the identity are not what a token can hold."""
        self._head = head(outcome.kind, identity.revision, int(identity.version), outcome.tag)
        self._kind = outcome.kind
        self._scale = outcome.scale
        # Head, row, figures and zeros of a token with one or two figures.
        self._constant = (outcome.scale,) if outcome.kind is Kind.VALUE else ()
        form = f">{len(self._head)}s{ROW.format[1:]}{1 + len(self._constant)}f"
        self._pack = struct.Struct(f"{form}{padding(struct.calcsize(form))}x").pack
        self._edges = outcome.edges
        self._edge_array = np.array(outcome.edges, dtype=np.float32)
        self._signer = signer
        self._cohort_seconds = cohort_seconds
        self._now = now
        # Random beginnings keep replicas, and this process and its next one, from giving the same token twice.
        self._high = secrets.randbits(16)
        self._low = secrets.randbits(32)

    def write(self, prediction: Prediction, separator: bytes) -> bytes:
        """The tokens of the rows, in their order."""
        return separator.join(self.rows(prediction))

    def rows(self, prediction: Prediction) -> list[bytes]:
        """A token for each row."""
        count = len(prediction.score)
        if count >= MANY_ROWS or self._kind in (Kind.CLASSES, Kind.TOP):
            return self._many(prediction, count)
        return self._few(prediction.score.tolist())

    def _cohort(self) -> int:
        return int(self._now()) // self._cohort_seconds * self._cohort_seconds

    def _few(self, scores: list[float]) -> list[bytes]:
        pack, sign, edges, low = self._pack, self._signer.sign, self._edges, self._low
        cohort = self._cohort()
        parts: list[bytes] = []
        for score in scores:
            if math.isfinite(score):
                code = bisect_right(edges, score)
            else:
                code = CODE_MISSING if math.isnan(score) else CODE_OTHER
            low = (low + 1) & 0xFFFFFFFF
            payload = pack(self._head, cohort, code, self._high, low, score, *self._constant)
            parts += (payload, sign(payload))
        self._low = low
        return _cut(to_text(b"".join(parts)), len(scores))

    def _many(self, prediction: Prediction, count: int) -> list[bytes]:
        score = prediction.score
        rows = np.empty(count, dtype=_ROWS)
        rows["cohort"] = self._cohort()
        rows["bin"] = self._edge_array.searchsorted(score, side="right")
        finite = np.isfinite(score)
        if not finite.all():
            rows["bin"][~finite] = CODE_OTHER
            rows["bin"][np.isnan(score)] = CODE_MISSING
        rows["high"] = self._high
        rows["low"] = (self._low + 1 + np.arange(count)) & 0xFFFFFFFF
        self._low = (self._low + count) & 0xFFFFFFFF
        figures = self._figures(prediction, count)
        length = len(self._head) + ROW.size + figures.shape[1]
        payload = np.zeros((count, length + padding(length)), dtype=np.uint8)
        payload[:, : len(self._head)] = np.frombuffer(self._head, dtype=np.uint8)
        payload[:, len(self._head) : len(self._head) + ROW.size] = _bytes_of(rows)
        payload[:, length - figures.shape[1] : length] = figures
        signatures = self._signer.sign_many(payload.tobytes(), payload.shape[1])
        signed = np.frombuffer(signatures, dtype=np.uint8).reshape(count, SIGNATURE_BYTES)
        return _cut(to_text(np.concatenate([payload, signed], axis=1).tobytes()), count)

    def _figures(self, prediction: Prediction, count: int) -> Bytes2:
        """The figures of each row as bytes, [rows, bytes]."""
        if self._kind is Kind.PROBABILITY:
            return _bytes_of(prediction.score.astype(">f4"))
        if self._kind is Kind.VALUE:
            return _bytes_of(np.stack([prediction.score, np.full(count, self._scale)], axis=1).astype(">f4"))
        assert prediction.probabilities is not None
        shares = np.nan_to_num(prediction.probabilities, nan=0.0).clip(0.0, 1.0).astype(np.float64)
        if self._kind is Kind.CLASSES:
            length = np.full((count, 1), shares.shape[1], dtype=np.uint8)
            return np.concatenate([length, _bytes_of(_units(shares))], axis=1)
        likely = shares.argmax(axis=1)
        squares = np.minimum(1.0, (shares**2).sum(axis=1))
        figures = [likely.astype(">u2"), _units(shares[np.arange(count), likely]), _units(squares)]
        return _bytes_of(np.stack(figures, axis=1).astype(">u2"))


def _cut(text: bytes, count: int) -> list[bytes]:
    """The text in `count` parts of one length."""
    step = len(text) // count
    return [text[at : at + step] for at in range(0, len(text), step)]


def _units(shares: npt.NDArray[np.float64]) -> npt.NDArray[np.uint16]:
    return np.rint(shares * UNIT).astype(">u2")


def _bytes_of(values: npt.NDArray[np.generic] | Float32) -> Bytes2:
    """The bytes of each row."""
    return np.ascontiguousarray(values).view(np.uint8).reshape(len(values), -1)
