"""The V1 protocol of KServe and TensorFlow Serving: `POST /v1/models/NAME:predict`, and `:explain`.

Instances are objects of columns, or lists in the order of the schema. Predictions are labels or values, as clients of
V1 expect them; probabilities stand beside them.
"""

from __future__ import annotations

from typing import Any

import orjson

from pintle.contract.manifest import Manifest
from pintle.serve.explain import Explainer
from pintle.serve.http import Answer, BadRequest, BadSchema, json_answer, parse_json
from pintle.serve.models import Inputs
from pintle.serve.rows import RowReader, Rows
from pintle.serve.settings import Identity
from pintle.serve.share import Share
from pintle.serve.tokens import TokenWriter

SHAPE = '{"instances": [{column: value}]} or {"instances": [[value of each column]]}'


class V1Api:
    """Reads and writes the bodies of `:predict`."""

    def __init__(
        self, manifest: Manifest, inputs: Inputs, reader: RowReader, explainer: Explainer, identity: Identity
    ) -> None:
        self._reader = reader
        self._explainer = explainer
        self._names = [feature.name for feature in inputs.features]
        self._classes = list(manifest.labels)
        self._several = bool(manifest.output_names)
        self._head = orjson.dumps({"model_name": identity.model, "model_version": identity.version})[:-1]
        self.models = json_answer({"models": [identity.model]})
        self.ready = json_answer({"name": identity.model, "ready": True})

    def read(self, body: bytes) -> Rows:
        """Raises BadRequest, BadSchema."""
        value = parse_json(body)
        instances = value.get("instances") if type(value) is dict else None
        if type(instances) is not list or not instances:
            raise BadRequest(f"the body must be {SHAPE}")
        if type(instances[0]) is dict:
            return self._reader.from_rows(instances)
        return self._reader.from_lists(self._columns(instances), len(instances))

    def _columns(self, instances: list[Any]) -> dict[str, list[Any]]:
        """Lists of values by column; a model of one column also takes the values themselves."""
        width = len(self._names)
        if width == 1 and type(instances[0]) is not list:
            return {self._names[0]: instances}
        for index, instance in enumerate(instances):
            if type(instance) is not list:
                raise BadRequest(f"instance {index} must be a list of values as the first one, or all be objects")
            if len(instance) != width:
                expected = ", ".join(self._names[:20])
                raise BadSchema(f"instance {index} has {len(instance)} values, this model takes {width}: {expected}")
        return dict(zip(self._names, (list(column) for column in zip(*instances, strict=True)), strict=True))

    def write(self, share: Share, tokens: TokenWriter | None = None) -> Answer:
        """`predictions`; of a classifier `classes` and `probabilities` in their order, of a detector `scores`."""
        labels = share.labels()
        if self._several:
            parts = [self._head, b',"predictions":[[', b"],[".join(share.figures()), b"]]"]
        elif labels is None:
            parts = [self._head, b',"predictions":[', b",".join(share.figures()), b"]"]
        else:
            parts = [self._head, b',"predictions":', orjson.dumps(labels)]
            if self._classes:
                parts += [b',"classes":', orjson.dumps(self._classes)]
                parts += [b',"probabilities":[[', b"],[".join(share.figures()), b"]]"]
            else:
                parts += [b',"scores":[', b",".join(share.figures()), b"]"]
        if share.answers.prediction.contributions is not None:
            parts += [b',"explanations":[{', b"},{".join(self._explainer.texts(share.prediction)), b"}]"]
        if tokens is not None:
            parts += [b',"tokens":["', share.tokens(tokens, b'","'), b'"]']
        return Answer(200, b"".join([*parts, b"}"]))
