"""Messages of the Open Inference Protocol's gRPC service, made from its definition: no generated code, no compiler.

Names and numbers are those of the protocol's grpc_predict_v2.proto. The pool is our own, so that nothing that is
imported beside us can define the same names otherwise.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

PACKAGE = "inference"
SERVICE = f"{PACKAGE}.GRPCInferenceService"
_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "bool": _Field.TYPE_BOOL,
    "bytes": _Field.TYPE_BYTES,
    "double": _Field.TYPE_DOUBLE,
    "float": _Field.TYPE_FLOAT,
    "int32": _Field.TYPE_INT32,
    "int64": _Field.TYPE_INT64,
    "string": _Field.TYPE_STRING,
    "uint32": _Field.TYPE_UINT32,
    "uint64": _Field.TYPE_UINT64,
}
_NAMED = "string name = 1; string version = 2"
_TENSOR = "string name = 1; string datatype = 2; repeated int64 shape = 3"
_PARAMETERS = "map InferParameter parameters = {}"
# Fields of a message in the words of a .proto; `map` has string keys, `oneof` makes one choice of all fields.
_MESSAGES = {
    "ServerLiveRequest": "",
    "ServerLiveResponse": "bool live = 1",
    "ServerReadyRequest": "",
    "ServerReadyResponse": "bool ready = 1",
    "ModelReadyRequest": _NAMED,
    "ModelReadyResponse": "bool ready = 1",
    "ServerMetadataRequest": "",
    "ServerMetadataResponse": f"{_NAMED}; repeated string extensions = 3",
    "ModelMetadataRequest": _NAMED,
    "ModelMetadataResponse.TensorMetadata": _TENSOR,
    "ModelMetadataResponse": (
        "string name = 1; repeated string versions = 2; string platform = 3; "
        "repeated ModelMetadataResponse.TensorMetadata inputs = 4; "
        "repeated ModelMetadataResponse.TensorMetadata outputs = 5"
    ),
    "InferParameter": (
        "oneof bool bool_param = 1; oneof int64 int64_param = 2; oneof string string_param = 3; "
        "oneof double double_param = 4; oneof uint64 uint64_param = 5"
    ),
    "InferTensorContents": (
        "repeated bool bool_contents = 1; repeated int32 int_contents = 2; repeated int64 int64_contents = 3; "
        "repeated uint32 uint_contents = 4; repeated uint64 uint64_contents = 5; repeated float fp32_contents = 6; "
        "repeated double fp64_contents = 7; repeated bytes bytes_contents = 8"
    ),
    "ModelInferRequest.InferInputTensor": f"{_TENSOR}; {_PARAMETERS.format(4)}; InferTensorContents contents = 5",
    "ModelInferRequest.InferRequestedOutputTensor": f"string name = 1; {_PARAMETERS.format(2)}",
    "ModelInferRequest": (
        f"string model_name = 1; string model_version = 2; string id = 3; {_PARAMETERS.format(4)}; "
        "repeated ModelInferRequest.InferInputTensor inputs = 5; "
        "repeated ModelInferRequest.InferRequestedOutputTensor outputs = 6; repeated bytes raw_input_contents = 7"
    ),
    "ModelInferResponse.InferOutputTensor": f"{_TENSOR}; {_PARAMETERS.format(4)}; InferTensorContents contents = 5",
    "ModelInferResponse": (
        f"string model_name = 1; string model_version = 2; string id = 3; {_PARAMETERS.format(4)}; "
        "repeated ModelInferResponse.InferOutputTensor outputs = 5; repeated bytes raw_output_contents = 6"
    ),
}


def _add_field(message: Any, words: list[str]) -> None:
    """One field: `[repeated | map | oneof] type name = number`."""
    kind, name, number = words[-4], words[-3], int(words[-1])
    field = message.field.add(name=name, number=number, label=_Field.LABEL_OPTIONAL)
    if words[0] in ("repeated", "map"):
        field.label = _Field.LABEL_REPEATED
    if words[0] == "oneof":
        if not message.oneof_decl:
            message.oneof_decl.add(name="parameter_choice")
        field.oneof_index = 0
    if words[0] == "map":
        entry = message.nested_type.add(name=f"{name.title()}Entry")
        entry.options.map_entry = True
        _add_field(entry, ["string", "key", "=", "1"])
        _add_field(entry, [kind, "value", "=", "2"])
        kind = f"{_full_name(message)}.{entry.name}"
    if kind in _SCALARS:
        field.type = _SCALARS[kind]
    else:
        field.type, field.type_name = _Field.TYPE_MESSAGE, f".{PACKAGE}.{kind}"


def _full_name(message: Any) -> str:
    return next(name for name in _MESSAGES if name.rpartition(".")[2] == message.name)


def _made() -> dict[str, Any]:
    """The class of each message by its name."""
    file = descriptor_pb2.FileDescriptorProto(name="pintle/grpc_predict_v2.proto", package=PACKAGE, syntax="proto3")
    made: dict[str, Any] = {}
    for name in sorted(_MESSAGES, key=lambda name: name.count(".")):
        outer, _, inner = name.rpartition(".")
        made[name] = made[outer].nested_type.add(name=inner) if outer else file.message_type.add(name=inner)
    for name, fields in _MESSAGES.items():
        for field in filter(None, fields.split("; ")):
            _add_field(made[name], field.split())
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.{name}")) for name in _MESSAGES
    }


MESSAGES = _made()
