"""Tensors of the Open Inference Protocol: datatypes, and their bytes in binary bodies (HTTP) and raw contents (gRPC).

In binary, numbers are little-endian and row-major; a BYTES element is its length as uint32 and then so many bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from pintle.serve.http import BadRequest, BadSchema
from pintle.serve.rows import Numbers, Values

BYTES = "BYTES"
NUMBER_DTYPES: dict[str, npt.DTypeLike] = {
    "BOOL": np.dtype("?"),
    "UINT8": np.dtype("u1"),
    "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"),
    "INT8": np.dtype("i1"),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "FP16": np.dtype("<f2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
}
BF16 = "BF16"
"""The upper half of an FP32; Triton's clients have it, JSON has not."""
MAX_DIMENSIONS = 8
_LENGTH = struct.Struct("<I")


@dataclass(slots=True)
class InputTensor:
    """An input as it came; `data` is a flat or nested list, or an array [values] where it came in binary."""

    name: str
    datatype: str
    shape: list[int]
    data: Values


@dataclass(slots=True)
class OutputTensor:
    """An output in row-major order; `data` is a list of labels, or an array of the datatype."""

    name: str
    datatype: str
    shape: list[int]
    data: Sequence[Any] | Numbers
    parameters: dict[str, str] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """As binary bodies and raw contents carry it."""
        if self.datatype == BYTES:
            return b"".join([_LENGTH.pack(len(item)) + item for item in (str(value).encode() for value in self.data)])
        return np.ascontiguousarray(self.data, dtype=NUMBER_DTYPES[self.datatype]).tobytes()


def check_head(name: Any, datatype: Any, shape: Any) -> None:
    """Raises BadRequest for what no tensor can be."""
    if type(name) is not str:
        raise BadRequest("every input must be an object with a name")
    sizes = shape if type(shape) is list else []
    if not 1 <= len(sizes) <= MAX_DIMENSIONS or any(type(size) is not int or size < 0 for size in sizes):
        raise BadRequest(f"input {name[:100]} needs a shape: a list of sizes")
    if type(datatype) is not str or (datatype not in (BYTES, BF16) and datatype not in NUMBER_DTYPES):
        raise BadRequest(
            f"input {name[:100]} has the datatype {str(datatype)[:20]!r}, which the protocol does not name"
        )
    if sizes[0] == 0:
        raise BadRequest(f"input {name[:100]} has no rows")


def from_bytes(name: str, datatype: str, shape: list[int], data: bytes | memoryview) -> InputTensor:
    """A tensor that came in binary; its head has been checked. Raises BadRequest where size and shape differ."""
    count = prod(shape)
    if datatype == BYTES:
        return InputTensor(name, datatype, shape, _strings(name, data, count))
    dtype = np.dtype("<u2") if datatype == BF16 else np.dtype(NUMBER_DTYPES[datatype])
    wanted = count * dtype.itemsize
    if len(data) != wanted:
        raise BadRequest(f"input {name[:100]} has {len(data)} bytes, its shape {shape} of {datatype} asks for {wanted}")
    values = np.frombuffer(data, dtype=dtype)
    if datatype == BF16:
        values = (values.astype("<u4") << 16).view("<f4")
    return InputTensor(name, datatype, shape, values)


def flat(tensor: InputTensor, is_string: bool) -> Values:
    """The values in row-major order, as many as the shape says. Raises BadRequest, BadSchema."""
    name, data = tensor.name[:100], tensor.data
    if (tensor.datatype == BYTES) != is_string:
        raise BadSchema(f"input {name} must be {'BYTES' if is_string else 'a number tensor'}, not {tensor.datatype}")
    if not isinstance(data, list):
        return data
    while data and type(data[0]) is list:
        if not all(type(item) is list for item in data):
            raise BadRequest(f"input {name}: data mixes lists and values")
        data = [value for item in data for value in item]
    if prod(tensor.shape) != len(data):
        raise BadRequest(f"input {name} has {len(data)} values, its shape {tensor.shape} asks for {prod(tensor.shape)}")
    return data


def _strings(name: str, data: bytes | memoryview, count: int) -> list[str]:
    found: list[str] = []
    at, end = 0, len(data)
    while at < end and len(found) < count:
        start = at + _LENGTH.size
        if start > end:
            break
        (length,) = _LENGTH.unpack_from(data, at)
        at = start + length
        if at > end:
            break
        try:
            found.append(str(data[start:at], "utf-8"))
        except UnicodeDecodeError:
            raise BadRequest(f"input {name[:100]}: element {len(found)} is not UTF-8") from None
    if at != end or len(found) != count:
        raise BadRequest(
            f"input {name[:100]}: its {end} bytes are not the {count} elements that its shape asks for, "
            "each with its length as uint32 before it"
        )
    return found
