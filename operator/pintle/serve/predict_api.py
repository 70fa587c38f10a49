"""`POST /predict`: rows with named columns in, labels and probabilities or values out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from pintle.contract.manifest import OUTLIERS, Manifest
from pintle.serve.explain import Explainer
from pintle.serve.http import Answer, BadRequest, parse_json
from pintle.serve.outcome import label_key
from pintle.serve.rows import RowReader, Rows
from pintle.serve.settings import Identity
from pintle.serve.share import Share
from pintle.serve.tokens import TokenWriter

SHAPES = '{"rows": [{column: value}]} or {"columns": {column: [value]}}, and may have "explain": true'


class PredictApi:
    """Reads and writes the bodies of `/predict`."""

    def __init__(self, manifest: Manifest, reader: RowReader, explainer: Explainer, identity: Identity) -> None:
        self._reader = reader
        self._explainer = explainer
        keys = _members([label_key(label) for label in manifest.labels])
        self._row = b'{"label":%%b,"probabilities":{%b}}' % keys
        if manifest.task == OUTLIERS:
            self._row = b'{"outlier":%b,"score":%b}'
        self._values = b'{"values":{%b}}' % _members(manifest.output_names) if manifest.output_names else b""
        texts = {label: orjson.dumps(label) for label in manifest.labels}
        self._label_texts = texts if len(texts) == len(manifest.labels) else {}  # True and 1 are the same key
        head = {"model": identity.model, "version": identity.version, "revision": identity.revision}
        self._head = orjson.dumps(head)[:-1] + b',"predictions":['

    def read(self, body: bytes) -> Rows:
        """Raises BadRequest, BadSchema."""
        value = parse_json(body)
        if type(value) is dict and "explain" in value:
            wanted = value.pop("explain")
            if type(wanted) is not bool:
                raise BadRequest('"explain" must be true or false')
            rows = self._rows(value)
            return self._explainer.ask(rows) if wanted else rows
        return self._rows(value)

    def _rows(self, value: Any) -> Rows:
        if type(value) is not dict or len(value) != 1:
            raise BadRequest(f"the body must be {SHAPES}")
        if "rows" in value:
            return self._reader.from_rows(value["rows"])
        if "columns" in value:
            return self._reader.from_columns(value["columns"])
        raise BadRequest(f"the body must be {SHAPES}")

    def write(self, share: Share, tokens: TokenWriter | None = None) -> Answer:
        """One object per row, and its token."""
        labels = share.labels()
        if self._values:
            rows = [self._values % tuple(figures.split(b",")) for figures in share.figures()]
        elif labels is None:
            rows = [b'{"value":%b}' % figure for figure in share.figures()]
        else:
            row, texts = self._row, self._label_texts
            rows = [
                row % (texts.get(label) or orjson.dumps(label), *figures.split(b","))
                for label, figures in zip(labels, share.figures(), strict=True)
            ]
        if share.answers.prediction.contributions is not None:
            texts_of = self._explainer.texts(share.prediction)
            rows = [b"%b,%b}" % (row[:-1], text) for row, text in zip(rows, texts_of, strict=True)]
        if tokens is None:
            return Answer(200, b"%b%b]}" % (self._head, b",".join(rows)))
        listed = share.tokens(tokens, b'","')
        return Answer(200, b'%b%b],"tokens":["%b"]}' % (self._head, b",".join(rows), listed))


def _members(names: Sequence[str]) -> bytes:
    """The inside of a JSON object with a place for the value of each name."""
    return b",".join(orjson.dumps(name).replace(b"%", b"%%") + b":%b" for name in names)
