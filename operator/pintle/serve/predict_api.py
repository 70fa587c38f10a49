"""`POST /predict`: rows with named columns in, labels and probabilities or values out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

from pintle.contract.manifest import Manifest
from pintle.serve.http import Answer, BadRequest, parse_json
from pintle.serve.models import Prediction
from pintle.serve.outcome import label_key
from pintle.serve.rows import RowReader, Rows
from pintle.serve.settings import Identity
from pintle.serve.tokens import TokenWriter

SHAPES = '{"rows": [{column: value}]} or {"columns": {column: [value]}}'


class PredictApi:
    """Reads and writes the bodies of `/predict`."""

    def __init__(self, manifest: Manifest, reader: RowReader, identity: Identity) -> None:
        self._reader = reader
        self._keys = [label_key(label) for label in manifest.labels]
        head = {"model": identity.model, "version": identity.version, "revision": identity.revision}
        self._head = orjson.dumps(head)[:-1] + b',"predictions":'

    def read(self, body: bytes) -> Rows:
        """Raises BadRequest, BadSchema."""
        value = parse_json(body)
        if type(value) is not dict or len(value) != 1:
            raise BadRequest(f"the body must be {SHAPES}")
        if "rows" in value:
            return self._reader.from_rows(value["rows"])
        if "columns" in value:
            return self._reader.from_columns(value["columns"])
        raise BadRequest(f"the body must be {SHAPES}")

    def write(self, prediction: Prediction, tokens: TokenWriter | None = None) -> Answer:
        """One object per row, and its token."""
        found: Iterable[dict[str, Any]]
        if prediction.probabilities is None or prediction.labels is None:
            found = [{"value": value} for value in prediction.score]
        else:
            keys = self._keys
            found = [
                {"label": label, "probabilities": dict(zip(keys, row, strict=True))}
                for label, row in zip(prediction.labels, prediction.probabilities, strict=True)
            ]
        # float32 scalars keep their short decimal form; as Python floats they would be twice as long
        body = self._head + orjson.dumps(found, option=orjson.OPT_SERIALIZE_NUMPY)
        if tokens is None:
            return Answer(200, body + b"}")
        return Answer(200, b'%b,"tokens":["%b"]}' % (body, tokens.write(prediction, b'","')))
