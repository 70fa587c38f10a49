"""scikit-learn models in the skops format: no code runs on loading, and only trusted types are built.

The server image holds no scikit-learn: ONNX is the way a model is served. An image that has scikit-learn, pandas and
skops serves this format as well.
"""

from __future__ import annotations

import numpy as np

from pintle.contract.exits import Exit
from pintle.contract.manifest import OUTLIERS, REGRESSION
from pintle.contract.trusted import LIBRARY_TYPES
from pintle.serve.artifact import LOAD_FAILED, Artifact
from pintle.serve.models import Batch, Inputs, Prediction
from pintle.serve.predictions import PredictionMaker
from pintle.serve.report import Refusal


class SkopsModel:
    """An estimator or pipeline over a data frame of the named feature columns."""

    matrix_input: str | None = None

    def __init__(self, artifact: Artifact, trusted: tuple[str, ...]) -> None:
        try:
            import pandas
            import skops.io
        except ImportError as error:
            message = (
                f"this server image has no {error.name}: publish the model as ONNX (output.modelFormat: ONNX), "
                "or serve it with an image that has scikit-learn, pandas and skops"
            )
            raise Refusal(Exit.REFUSED, LOAD_FAILED, message) from error
        data = artifact.model_bytes()
        allowed = [*LIBRARY_TYPES, *trusted]
        unknown = [name for name in skops.io.get_untrusted_types(data=data) if name not in allowed]
        if unknown:
            message = f"model.skops holds types that the policy does not trust: {', '.join(sorted(unknown)[:10])}"
            raise Refusal(Exit.REFUSED, LOAD_FAILED, message)
        self._frame = pandas.DataFrame
        self._estimator = skops.io.loads(data, trusted=allowed)
        manifest = artifact.manifest
        self.inputs = Inputs(manifest.features)
        self._task = manifest.task
        self._make = PredictionMaker(manifest)

    def predict(self, batch: Batch) -> Prediction:
        columns: dict[str, object] = {}
        numbers, strings = iter(batch.numbers.T), iter(batch.strings)
        for feature in self.inputs.features:
            if feature.is_string:
                columns[feature.name] = np.array(next(strings), dtype=object)
            else:
                columns[feature.name] = next(numbers)
        frame = self._frame(columns)
        rows = len(batch)
        if self._task == REGRESSION:
            return self._make.values(self._estimator.predict(frame), rows)
        if self._task == OUTLIERS:
            return self._make.outliers(self._estimator.predict(frame), self._estimator.decision_function(frame), rows)
        return self._make.classes(self._estimator.predict_proba(frame), rows)
