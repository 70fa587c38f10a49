"""One thread for numeric libraries: more threads than free cores make trees many times slower."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sklearn.utils._openmp_helpers  # noqa: F401  (loads the OpenMP library that is to be limited)
from threadpoolctl import threadpool_limits


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    """Limits this process; the processes of runs have OMP_NUM_THREADS."""
    with threadpool_limits(limits=1):
        yield
