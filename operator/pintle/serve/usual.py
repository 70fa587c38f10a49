"""The usual `infer`: one matrix of numbers in JSON, all outputs in JSON. Read and written with less ado.

What does not look exactly like that goes the careful way of `inference_protocol`, which says what is right: what is
taken here is taken there with the same result, and both write the same bytes (tests/unit/serve/test_serve_usual.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from pintle.serve.http import Answer
from pintle.serve.outcome import label_key
from pintle.serve.rows import RowReader, Rows
from pintle.serve.settings import Identity
from pintle.serve.share import Share
from pintle.serve.tensors import BYTES, NUMBER_DTYPES
from pintle.serve.tokens import TokenWriter

KEYS = ("name", "shape", "datatype", "data")


class UsualInfer:
    """Of one model; `outputs` are those of its metadata."""

    def __init__(
        self,
        matrix_input: str | None,
        width: int,
        reader: RowReader,
        identity: Identity,
        outputs: list[dict[str, Any]],
        labels: list[Any],
    ) -> None:
        self._matrix_input = matrix_input
        self._width = width
        self._reader = reader
        self._head = orjson.dumps({"model_name": identity.model, "model_version": identity.version})[:-1]
        self._classes = len(labels)
        self._label_texts: dict[Any, bytes] = {}
        if labels:
            self._named = outputs[0]["datatype"] == BYTES
            texts = {label: orjson.dumps(label_key(label) if self._named else label) for label in labels}
            self._label_texts = texts if len(texts) == len(labels) else {}  # True and 1 are the same key
            label, probabilities = map(_opening, outputs)
            self._label = label + b'%d],"data":['
            self._probabilities = b"]}," + probabilities + b"%%d,%d" % self._classes + b'],"data":['
            self.writes = bool(self._label_texts)
        else:
            self._value = _opening(outputs[0]) + b'%d,1],"data":['
            self.writes = len(outputs) == 1

    def read(self, value: Mapping[str, Any]) -> Rows | None:
        """The rows of a body, or None where it is not the usual one. Raises BadRequest, BadSchema."""
        if len(value) != 1 and not (len(value) == 2 and type(value.get("id")) is str):
            return None
        try:
            (item,) = value["inputs"]
            (count, width), data = item["shape"], item["data"]
            usual = item["name"] == self._matrix_input and item["datatype"] in NUMBER_DTYPES and width == self._width
        except (KeyError, TypeError, ValueError):
            return None
        if not usual or len(item) != len(KEYS) or type(data) is not list:
            return None
        if type(count) is not int or count < 1 or type(width) is not int or type(item["shape"]) is not list:
            return None
        return self._reader.from_packed(data, count)

    def _label_text(self, label: Any) -> bytes:
        return self._label_texts.get(label) or orjson.dumps(label_key(label) if self._named else label)

    def write(self, request_id: str | None, share: Share, tokens: TokenWriter | None) -> Answer:
        """The answer with all outputs; `writes` says whether this model's answers are of that kind."""
        parts = [self._head]
        if request_id is not None:
            parts += (b',"id":', orjson.dumps(request_id))
        if tokens is not None:
            parts += (b',"parameters":{"tokens":"', share.tokens(tokens, b" "), b'"}')
        labels, count = share.labels(), len(share)
        parts.append(b',"outputs":[')
        if labels is None:
            parts.append(self._value % count)
        else:
            parts += (self._label % count, b",".join(map(self._label_text, labels)), self._probabilities % count)
        parts += (b",".join(share.figures()), b"]}]}")
        return Answer(200, b"".join(parts))


def _opening(output: Mapping[str, Any]) -> bytes:
    """An output's JSON up to its shape."""
    text = orjson.dumps({"name": output["name"], "datatype": output["datatype"], "shape": []})
    return text.removesuffix(b"]}").replace(b"%", b"%%")
