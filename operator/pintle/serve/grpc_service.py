"""The Open Inference Protocol over gRPC, on a port of its own: the handler of HTTP behind other messages.

Rows, limits, batches, metrics and tokens are those of HTTP; answers carry raw contents, as Triton's do.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from math import prod
from typing import Any

import grpc
import grpc.aio
import numpy as np
import orjson

from pintle.contract.metrics import HEADER_ROUTE, ROUTE_DIRECT
from pintle.serve import VERSION
from pintle.serve.grpc_messages import MESSAGES, SERVICE
from pintle.serve.handler import Handler
from pintle.serve.http import Answer, BadRequest, Overloaded, Rejected, Request
from pintle.serve.inference_protocol import REFUSED_PARAMETERS, InferenceProtocol
from pintle.serve.model_api import Writer
from pintle.serve.rows import Rows
from pintle.serve.settings import Identity
from pintle.serve.share import Share
from pintle.serve.tensors import BYTES, NUMBER_DTYPES, InputTensor, check_head, from_bytes
from pintle.serve.tokens import TokenWriter

Call = Callable[[Any, Any], Awaitable[Any]]
CODES: Mapping[int, grpc.StatusCode] = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    404: grpc.StatusCode.NOT_FOUND,
    408: grpc.StatusCode.DEADLINE_EXCEEDED,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,
    422: grpc.StatusCode.FAILED_PRECONDITION,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}
"""What a status of HTTP is called here; the others are INTERNAL."""
MESSAGE_OVERHEAD = 1 << 16
HEALTH_CALLS = 64
_CONTENTS = {
    "BOOL": "bool_contents",
    **dict.fromkeys(("INT8", "INT16", "INT32"), "int_contents"),
    "INT64": "int64_contents",
    **dict.fromkeys(("UINT8", "UINT16", "UINT32"), "uint_contents"),
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    BYTES: "bytes_contents",
}


class GrpcServer:
    """The service on its port. Belongs to the event loop it is started in."""

    def __init__(self, handler: Handler, address: str) -> None:
        """`address` is host:port, port 0 any free one. Raises RuntimeError where it cannot be bound."""
        settings = handler.settings
        limit = settings.max_body_bytes + MESSAGE_OVERHEAD
        options = [("grpc.max_receive_message_length", limit), ("grpc.max_send_message_length", -1)]
        # Beyond the queue there is room for health calls; what comes on top is RESOURCE_EXHAUSTED, never held.
        most = settings.queue_requests + HEALTH_CALLS
        self._server = grpc.aio.server(options=[*options, ("grpc.so_reuseport", 0)], maximum_concurrent_rpcs=most)
        calls = Calls(handler)
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, calls.handlers()),))
        self.port: int = self._server.add_insecure_port(address)

    async def start(self) -> None:
        await self._server.start()

    async def stop(self, seconds: float) -> None:
        """Take no new calls, and give open ones so long."""
        await self._server.stop(seconds)


class Calls:
    """One method per call of the service."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._identity: Identity = handler.settings.identity

    def handlers(self) -> dict[str, Any]:
        """What grpc asks for: the handler of each call by its name."""
        calls: dict[str, Call] = {
            "ServerLive": self._server_live,
            "ServerReady": self._server_ready,
            "ModelReady": self._model_ready,
            "ServerMetadata": self._server_metadata,
            "ModelMetadata": self._model_metadata,
            "ModelInfer": self._model_infer,
        }
        return {
            name: grpc.unary_unary_rpc_method_handler(
                call, request_deserializer=MESSAGES[f"{name}Request"].FromString, response_serializer=_serialized
            )
            for name, call in calls.items()
        }

    async def _server_live(self, _: Any, __: Any) -> Any:
        return MESSAGES["ServerLiveResponse"](live=True)

    async def _server_ready(self, _: Any, __: Any) -> Any:
        return MESSAGES["ServerReadyResponse"](ready=self._handler.ready)

    async def _model_ready(self, request: Any, _: Any) -> Any:
        ours = self._is_ours(request.name, request.version)
        return MESSAGES["ModelReadyResponse"](ready=ours and self._handler.ready)

    async def _server_metadata(self, _: Any, __: Any) -> Any:
        return MESSAGES["ServerMetadataResponse"](name="pintle", version=VERSION)

    async def _model_metadata(self, request: Any, context: Any) -> Any:
        try:
            self._check_name(request.name, request.version)
            return MESSAGES["ModelMetadataResponse"](**self._protocol().metadata)
        except Rejected as rejected:
            return await _abort(context, rejected.answer())

    async def _model_infer(self, message: Any, context: Any) -> Any:
        """Through the handler, as a request of HTTP; its answer is the message, or an error to be translated."""
        direct = any(pair == (HEADER_ROUTE, ROUTE_DIRECT) for pair in context.invocation_metadata() or ())
        request = Request("POST", self._handler.infer_path, b"", time.perf_counter(), direct=direct)
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._handler.ask(request, lambda _: self._read(message), lambda found: _settle(answer, found))
        found = await answer
        return found.body if found.status == 200 else await _abort(context, found)

    def _read(self, message: Any) -> tuple[Rows, Writer]:
        """Raises Rejected."""
        self._check_name(message.model_name, message.model_version)
        protocol = self._protocol()
        explain = _parameters(message.parameters, "the request").get("explain", False)
        if type(explain) is not bool:
            raise BadRequest("the parameter explain must be true or false")
        for output in message.outputs:
            _parameters(output.parameters, f"output {output.name[:100]}")
        outputs = protocol.wanted([output.name for output in message.outputs] or None, explain)
        rows = protocol.asked_rows(_tensors(message), outputs)
        request_id = message.id

        def write(share: Share, tokens: TokenWriter | None) -> Answer:
            return Answer(200, self._written(protocol, request_id, outputs, share, tokens))

        return rows, write

    def _written(
        self,
        protocol: InferenceProtocol,
        request_id: str,
        outputs: Sequence[str],
        share: Share,
        tokens: TokenWriter | None,
    ) -> bytes:
        identity = self._identity
        made = MESSAGES["ModelInferResponse"](model_name=identity.model, model_version=identity.version, id=request_id)
        if tokens is not None:
            made.parameters["tokens"].string_param = share.tokens(tokens, b" ").decode()
        for tensor in protocol.outputs_of(share.prediction, outputs):
            output = made.outputs.add(name=tensor.name, datatype=tensor.datatype, shape=tensor.shape)
            for name, value in tensor.parameters.items():
                output.parameters[name].string_param = value
            made.raw_output_contents.append(tensor.to_bytes())
        text: bytes = made.SerializeToString()
        return text

    def _protocol(self) -> InferenceProtocol:
        if self._handler.api is None:
            raise Overloaded("the model is still loading")
        return self._handler.api.protocol

    def _is_ours(self, name: str, version: str) -> bool:
        return name == self._identity.model and version in ("", self._identity.version)

    def _check_name(self, name: str, version: str) -> None:
        if not self._is_ours(name, version):
            identity = self._identity
            asked = f"{name[:100]} {version[:20]}".strip()
            raise BadRequest(f"this server has {identity.model}, version {identity.version}, only; no {asked}", 404)


def _tensors(message: Any) -> dict[str, InputTensor]:
    """The inputs by name, from raw or typed contents. Raises BadRequest."""
    raw = message.raw_input_contents
    if raw and len(raw) != len(message.inputs):
        raise BadRequest(f"{len(raw)} raw contents for {len(message.inputs)} inputs")
    if not message.inputs:
        raise BadRequest("the request has no inputs")
    found: dict[str, InputTensor] = {}
    for index, item in enumerate(message.inputs):
        name, datatype, shape = item.name, item.datatype, list(item.shape)
        check_head(name, datatype, shape)
        _parameters(item.parameters, f"input {name[:100]}")
        if name in found:
            raise BadRequest(f"input {name[:100]} is given twice")
        if raw:
            found[name] = from_bytes(name, datatype, shape, raw[index])
        else:
            found[name] = InputTensor(name, datatype, shape, _typed(item, name, datatype, shape))
    return found


def _typed(item: Any, name: str, datatype: str, shape: list[int]) -> Any:
    """The values of typed contents, as many as the shape says. Raises BadRequest."""
    field = _CONTENTS.get(datatype)
    if field is None:
        raise BadRequest(f"input {name[:100]}: {datatype} is sent as raw contents only")
    values = getattr(item.contents, field)
    wanted = prod(shape)
    if len(values) != wanted:
        raise BadRequest(f"input {name[:100]} has {len(values)} {field}, its shape {shape} asks for {wanted}")
    if datatype != BYTES:
        # an array, so that NaN is missing here, too
        return np.array(values, dtype=np.float64 if datatype.startswith("FP") else NUMBER_DTYPES[datatype])
    try:
        return [value.decode() for value in values]
    except UnicodeDecodeError:
        raise BadRequest(f"input {name[:100]}: an element is not UTF-8") from None


def _parameters(raw: Any, what: str) -> dict[str, Any]:
    """The parameters as values. Raises BadRequest for those that cannot be passed over."""
    found = {}
    for name, value in raw.items():
        if name in REFUSED_PARAMETERS:
            raise BadRequest(f"{what}: the extension behind the parameter {name} is not supported")
        choice = value.WhichOneof("parameter_choice")
        found[name] = getattr(value, choice) if choice else None
    return found


def _serialized(message: Any) -> bytes:
    """A message's bytes; those of an answer were made when it was written."""
    return message if isinstance(message, bytes) else message.SerializeToString()


def _settle(answer: asyncio.Future[Answer], found: Answer) -> None:
    if not answer.done():  # the client may have gone
        answer.set_result(found)


async def _abort(context: Any, answer: Answer) -> Any:
    """End the call with the status and message of an error of HTTP; raises what grpc raises."""
    await context.abort(CODES.get(answer.status, grpc.StatusCode.INTERNAL), orjson.loads(answer.body)["error"])
