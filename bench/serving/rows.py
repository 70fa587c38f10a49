"""Bodies of requests, each with rows of its own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

BODIES = 4_000
MANY_ROWS_BODIES = 400


def bodies(path: str, rows: int, columns: int, seed: int = 1) -> list[bytes]:
    """Requests for `path`, with values of four decimals; enough of them that nothing learns them by heart."""
    rng = np.random.default_rng(seed)
    count = BODIES if rows == 1 else MANY_ROWS_BODIES
    make = _named if path == "/predict" else _tensors
    return [
        json.dumps(make(rng.normal(size=(rows, columns)).round(4)), separators=(",", ":")).encode()
        for _ in range(count)
    ]


def _named(values: np.ndarray) -> dict[str, Any]:
    names = [f"f{index}" for index in range(values.shape[1])]
    return {"rows": [dict(zip(names, row, strict=True)) for row in values.tolist()]}


def _tensors(values: np.ndarray, name: str = "X") -> dict[str, Any]:
    matrix = {"name": name, "shape": list(values.shape), "datatype": "FP32", "data": values.reshape(-1).tolist()}
    return {"inputs": [matrix]}


def tensors(values: np.ndarray, name: str = "X") -> bytes:
    """An `infer` body in JSON."""
    return json.dumps(_tensors(values, name), separators=(",", ":")).encode()


def instances(values: np.ndarray) -> bytes:
    """A V1 body."""
    return json.dumps({"instances": values.tolist()}, separators=(",", ":")).encode()


def binary(values: Sequence[np.ndarray]) -> tuple[int, list[bytes]]:
    """Bodies of `infer` with the matrix and the answers in binary, and the length of the JSON before each."""
    size = values[0].nbytes
    matrix = {"name": "X", "shape": list(values[0].shape), "datatype": "FP32", "parameters": {"binary_data_size": size}}
    head = json.dumps({"inputs": [matrix], "parameters": {"binary_data_output": True}}, separators=(",", ":")).encode()
    return len(head), [head + item.astype("<f4").tobytes() for item in values]
