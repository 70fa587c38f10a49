"""The usual `infer` is read and written with less ado, and with the same result."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as example_settings
from hypothesis import strategies as st
from pintle.serve.usual import UsualInfer

from tests.unit.serve.test_serve_handler import INFER, client_of, tensor

values = st.one_of(
    st.integers(-5, 5), st.floats(allow_nan=False, allow_infinity=False), st.none(), st.booleans(), st.just("1")
)
inputs = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["X", "X", "X", "f0"]),
        "shape": st.sampled_from([[1, 4], [1, 4], [2, 4], [4], [1, 4.0], [True, 4], [0, 4], "x"]),
        "datatype": st.sampled_from(["FP32", "FP32", "FP64", "BYTES", "FP31", 3]),
        "data": st.lists(values, min_size=3, max_size=8) | st.lists(st.floats(-3, 3), min_size=4, max_size=4),
    },
    optional={"parameters": st.sampled_from([{}, {"binary_data_size": 4}])},
)
bodies = st.fixed_dictionaries(
    {"inputs": st.lists(inputs, min_size=1, max_size=2)},
    optional={
        "id": st.sampled_from(["a", 3]),
        "outputs": st.sampled_from([[], [{"name": "probabilities"}]]),
        "parameters": st.sampled_from([{"binary_data_output": True}, {}]),
    },
)


def without_short_cuts(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on all goes the careful way."""
    make = UsualInfer.__init__

    def made(self: UsualInfer, *args: Any) -> None:
        make(self, *args)
        self.writes = False

    monkeypatch.setattr(UsualInfer, "__init__", made)
    monkeypatch.setattr(UsualInfer, "read", lambda *_: None)


@pytest.mark.slow
@given(bodies)
@example_settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_both_ways_give_the_same_bytes(matrix: Path, body: dict[str, Any]) -> None:
    """Of good and bad bodies, for a model with one matrix."""
    sent = json.dumps(body).encode()
    found = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("secrets.randbits", lambda bits: 7)
        for careful in (False, True):
            if careful:
                without_short_cuts(patch)
            client = client_of(matrix, cohort_seconds=10**9)
            found.append(await client.send("POST", INFER, sent))
            client.handler.close()
    assert found[0] == found[1]


@pytest.mark.parametrize("artifact", ["classifier", "regressor", "matrix"])
async def test_every_model_writes_the_same_bytes(
    artifact: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Named and numbered labels, values; one row and many, with an id and without."""
    folder = request.getfixturevalue(artifact)
    monkeypatch.setattr("secrets.randbits", lambda bits: 7)
    column = "f1" if artifact == "matrix" else "hour"
    sent = [
        json.dumps({"inputs": [tensor(column, list(range(rows)), shape=[rows, 1])], **more}).encode()
        for rows in (1, 40)
        for more in ({}, {"id": 'of "me"'})
    ]
    found = []
    for careful in (False, True):
        if careful:
            without_short_cuts(monkeypatch)
        client = client_of(folder, cohort_seconds=10**9)
        found.append([await client.send("POST", INFER, body) for body in sent])
        client.handler.close()
    assert [answer.status for answer in found[0]] == [200] * 4
    assert found[0] == found[1]
