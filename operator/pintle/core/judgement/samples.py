"""What judgement reads: raw samples of counters, as Prometheus stored them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class RawSeries:
    """One series: its metric name, its labels (namespace, pod, deployment, revision ...) and its raw samples.

    `times` [n] in unix seconds, ascending; `values` [n].
    """

    metric: str
    labels: Mapping[str, str]
    times: FloatArray
    values: FloatArray


@dataclass(frozen=True)
class Sample:
    """One value of one series at `time` (unix seconds), as an instant query answers it."""

    labels: Mapping[str, str]
    value: float
    time: float
