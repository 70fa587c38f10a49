"""Which module opens which format. A format's library is imported when a model of it is loaded, not before."""

from __future__ import annotations

from pintle.contract.manifest import LIGHTGBM, MLFLOW, ONNX, PICKLE, XGBOOST
from pintle.serve.artifact import Artifact
from pintle.serve.models import Model


def open_format(artifact: Artifact, model_format: str, file: str, trusted: tuple[str, ...]) -> Model:
    """The model in a file of the artifact. Raises Refusal, and whatever a library raises for what it cannot read."""
    manifest = artifact.manifest
    if model_format == ONNX:
        from pintle.serve.onnx_model import OnnxModel

        return OnnxModel(artifact.file_bytes(file), manifest)
    if model_format == XGBOOST:
        from pintle.serve.xgboost_model import XGBoostModel

        return XGBoostModel(artifact.file_bytes(file), manifest)
    if model_format == LIGHTGBM:
        from pintle.serve.lightgbm_model import LightGBMModel

        return LightGBMModel(artifact.file_bytes(file), manifest)
    if model_format == MLFLOW:
        from pintle.serve.mlflow_folder import flavour_of

        flavour, name = flavour_of(artifact.file_bytes(file), file, manifest)
        return open_format(artifact, flavour, name, trusted)
    from pintle.serve.estimator_model import EstimatorModel, open_pickle, open_skops

    opened = open_pickle if model_format == PICKLE else open_skops
    return EstimatorModel(opened(artifact.file_bytes(file), file, trusted), manifest)
