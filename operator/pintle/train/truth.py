"""What is true about rows, in the form that metrics compare predictions with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pintle.contract.exits import Exit
from pintle.contract.manifest import BINARY, MULTICLASS, REGRESSION
from pintle.train.outcome import MODEL_INVALID, Refusal

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Truth:
    """`values` is float64 [n] for a regression, else the index of the class in `labels`, int64 [n]."""

    task: str
    labels: tuple[Any, ...]
    values: npt.NDArray[Any]

    def __len__(self) -> int:
        return len(self.values)

    def rows(self, mask: npt.NDArray[Any]) -> Truth:
        """The truth of some rows."""
        return Truth(self.task, self.labels, self.values[mask])


def labels_of(target: pd.Series) -> tuple[Any, ...]:
    """The classes in training, sorted, as JSON can hold them; of two, the last is the positive one."""
    return tuple(sorted(item.item() if hasattr(item, "item") else item for item in target.unique()))


def task_of(is_classifier: bool, labels: tuple[Any, ...], schema: Mapping[str, Any]) -> str:
    """What kind of model it is. Raises Refusal where the schema declares another task."""
    task = (BINARY if len(labels) == 2 else MULTICLASS) if is_classifier else REGRESSION
    declared = schema.get("task")
    if declared and declared != task:
        raise Refusal(Exit.REFUSED, MODEL_INVALID, f"the model is for {task}, the schema declares {declared}")
    return task


def truth_of(target: pd.Series, task: str, labels: tuple[Any, ...]) -> Truth:
    """Truth of rows whose targets `fetch` has checked. Raises Refusal for text where a regression needs numbers."""
    if task == REGRESSION:
        try:
            return Truth(task, (), target.to_numpy(dtype=np.float64))
        except ValueError as error:
            raise Refusal(Exit.REFUSED, MODEL_INVALID, f"a regression needs a numeric target: {error}") from error
    index = {label: number for number, label in enumerate(labels)}
    return Truth(task, labels, target.map(index).to_numpy(dtype=np.int64))
