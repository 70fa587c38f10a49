"""Which path asks the model in which protocol, and what the model tells of itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pintle.serve.artifact import Artifact
from pintle.serve.explain import Explainer
from pintle.serve.http import JSON, Answer, BadRequest, Request
from pintle.serve.inference_protocol import InferenceProtocol
from pintle.serve.models import Model
from pintle.serve.openapi import DocsPage, document
from pintle.serve.predict_api import PredictApi
from pintle.serve.rows import RowReader, Rows
from pintle.serve.settings import Identity
from pintle.serve.share import Share
from pintle.serve.tokens import TokenWriter
from pintle.serve.v1_api import V1Api

Writer = Callable[[Share, "TokenWriter | None"], Answer]
Read = Callable[[Request], tuple[Rows, Writer]]
"""The rows of a request, and how their answers are written. Raises Rejected."""


class Paths:
    """The paths of one model, known before it is loaded."""

    def __init__(self, identity: Identity) -> None:
        base, v1 = f"/v2/models/{identity.model}", f"/v1/models/{identity.model}"
        self.models = (base, f"{base}/versions/{identity.version}")
        self.infer = tuple(f"{path}/infer" for path in self.models)
        self.v1_predict, self.v1_explain = f"{v1}:predict", f"{v1}:explain"
        self.asked = frozenset(("/predict", self.v1_predict, self.v1_explain, *self.infer))
        """Where predictions are asked for."""
        self.ready = (*(f"{path}/ready" for path in self.models), v1)
        self.v1 = v1
        self.told = frozenset((*self.models, "/v1/models", "/docs", "/openapi.json"))


@dataclass(frozen=True)
class ModelApi:
    """What each path of `Paths` does once there is a model."""

    asked: Mapping[str, Read]
    told: Mapping[str, Answer]
    ready: Mapping[str, Answer]
    """The answer of a ready model; what it is before, the handler knows."""
    protocol: InferenceProtocol


def model_api(
    artifact: Artifact, model: Model, reader: RowReader, explainer: Explainer, identity: Identity
) -> ModelApi:
    """All protocols of a proven model."""
    manifest, paths = artifact.manifest, Paths(identity)
    predict = PredictApi(manifest, reader, explainer, identity)
    protocol = InferenceProtocol(manifest, model, reader, explainer, identity)
    v1 = V1Api(manifest, model.inputs, reader, explainer, identity)
    docs = DocsPage(document(manifest, model.inputs, artifact.example, identity, protocol.metadata, explainer.able))

    def read_predict(request: Request) -> tuple[Rows, Writer]:
        check_media(request)
        return predict.read(request.body), predict.write

    def read_v1(request: Request) -> tuple[Rows, Writer]:
        check_media(request)
        return v1.read(request.body), v1.write

    def read_explain(request: Request) -> tuple[Rows, Writer]:
        check_media(request)
        return explainer.ask(v1.read(request.body)), v1.write

    def read_infer(request: Request) -> tuple[Rows, Writer]:
        check_media(request, binary=True)
        asked = protocol.read(request.body, request.binary_header)
        if protocol.is_plain(asked):
            return asked.rows, protocol.write_plain
        return asked.rows, lambda share, tokens: protocol.write(asked, share, tokens)

    return ModelApi(
        asked={
            "/predict": read_predict,
            paths.v1_predict: read_v1,
            paths.v1_explain: read_explain,
            **dict.fromkeys(paths.infer, read_infer),
        },
        told={
            **dict.fromkeys(paths.models, protocol.model_metadata),
            "/v1/models": v1.models,
            "/docs": docs.page,
            "/openapi.json": docs.document,
        },
        ready={**dict.fromkeys(paths.ready, protocol.model_ready), paths.v1: v1.ready},
        protocol=protocol,
    )


def check_media(request: Request, binary: bool = False) -> None:
    """Raises BadRequest (415) for what is neither JSON nor, where that is taken, JSON with tensors in binary."""
    if request.content_type == JSON and not request.binary_header:
        return
    if request.binary_header:
        if not binary:
            raise BadRequest("only infer takes binary tensors: send data as JSON", 415)
        return
    kind = request.content_type.partition(b";")[0].strip().lower()
    if kind not in (b"", b"application/json") and not kind.endswith(b"+json"):
        raise BadRequest(f"the body must be application/json, not {kind.decode('latin-1')[:100]}", 415)
