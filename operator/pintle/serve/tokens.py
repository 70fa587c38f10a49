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
MANY_ROWS = 128
"""From so many rows on arrays are cheaper."""
_ROW_FIELDS = [("cohort", ">u4"), ("bin", "u1"), ("high", ">u2"), ("low", ">u4")]
"""As token.ROW."""


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
        self._blank = self._blank_row(outcome.classes)

    def write(self, prediction: Prediction) -> bytes:
        """The tokens of the rows in their order, all of one length, nothing between them."""
        count = len(prediction.score)
        if count >= MANY_ROWS or self._kind in (Kind.CLASSES, Kind.TOP):
            sealed = self._many(prediction, count)
        else:
            sealed = self._few(prediction.score.tolist())
        return to_text(sealed)

    def _cohort(self) -> int:
        return int(self._now()) // self._cohort_seconds * self._cohort_seconds

    def _few(self, scores: list[float]) -> bytes:
        pack, edges, low = self._pack, self._edges, self._low
        head, cohort, high, constant = self._head, self._cohort(), self._high, self._constant
        payloads: list[bytes] = []
        for score in scores:
            if math.isfinite(score):
                code = bisect_right(edges, score)
            else:
                code = CODE_MISSING if math.isnan(score) else CODE_OTHER
            low = (low + 1) & 0xFFFFFFFF
            payloads.append(pack(head, cohort, code, high, low, score, *constant))
        self._low = low
        return self._signer.seal_many(b"".join(payloads), len(payloads[0]))

    def _many(self, prediction: Prediction, count: int) -> bytes:
        score = prediction.score
        rows = np.full(count, self._blank)
        rows["cohort"] = self._cohort()
        rows["bin"] = self._edge_array.searchsorted(score, side="right")
        finite = np.isfinite(score)
        if not finite.all():
            rows["bin"][~finite] = CODE_OTHER
            rows["bin"][np.isnan(score)] = CODE_MISSING
        rows["low"] = (self._low + 1 + np.arange(count)) & 0xFFFFFFFF
        self._low = (self._low + count) & 0xFFFFFFFF
        if self._kind in (Kind.PROBABILITY, Kind.VALUE):
            rows["score"] = score
        else:
            rows["figures"] = self._figures(prediction, count)
        return self._signer.seal_many(rows.tobytes(), rows.itemsize)

    def _blank_row(self, classes: int) -> npt.NDArray[np.void]:
        """A payload with all that its rows have alike."""
        fields: list[tuple[str, npt.DTypeLike]] = [("head", f"V{len(self._head)}"), *_ROW_FIELDS]
        if self._kind in (Kind.PROBABILITY, Kind.VALUE):
            fields += [("score", ">f4"), ("constant", f"V{4 * len(self._constant)}")]
        else:
            fields += [("figures", "u1", (1 + 2 * classes if self._kind is Kind.CLASSES else 6,))]  # type: ignore[list-item]
        fields.append(("zeros", f"V{padding(np.dtype(fields).itemsize)}"))
        blank = np.zeros((), dtype=[field for field in fields if field[1] != "V0"])
        blank["head"] = np.void(self._head)
        blank["high"] = self._high
        if self._constant:
            blank["constant"] = np.void(struct.pack(">f", *self._constant))
        return blank

    def _figures(self, prediction: Prediction, count: int) -> Bytes2:
        """All probabilities of each row, or what is likely, as bytes, [rows, bytes]."""
        assert prediction.probabilities is not None
        shares = np.nan_to_num(prediction.probabilities, nan=0.0).clip(0.0, 1.0).astype(np.float64)
        if self._kind is Kind.CLASSES:
            length = np.full((count, 1), shares.shape[1], dtype=np.uint8)
            return np.concatenate([length, _bytes_of(_units(shares))], axis=1)
        likely = shares.argmax(axis=1)
        squares = np.minimum(1.0, (shares**2).sum(axis=1))
        figures = [likely.astype(">u2"), _units(shares[np.arange(count), likely]), _units(squares)]
        return _bytes_of(np.stack(figures, axis=1).astype(">u2"))


def _units(shares: npt.NDArray[np.float64]) -> npt.NDArray[np.uint16]:
    return np.rint(shares * UNIT).astype(">u2")


def _bytes_of(values: npt.NDArray[np.generic] | Float32) -> Bytes2:
    """The bytes of each row."""
    return np.ascontiguousarray(values).view(np.uint8).reshape(len(values), -1)
