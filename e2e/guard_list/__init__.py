"""For each e2e test the text that it guards, and what stands there instead when that one behaviour is disabled.

A replacement leaves a program that installs and runs; only what the test claims is gone. `e2e.guards` tries them on a
cluster, tests/unit/test_guards.py keeps the list complete and each text unique in its file.
"""

from __future__ import annotations

from e2e.guard_list.guard import Guard
from e2e.guard_list.rollout import DISTURBED, NEIGHBOURS, ROLLOUT
from e2e.guard_list.serving import OPERATOR, SERVING, STORAGE
from e2e.guard_list.training import ENDINGS, RETRAINING, TRAINING

GUARDS: tuple[Guard, ...] = (
    *OPERATOR,
    *SERVING,
    *TRAINING,
    *ENDINGS,
    *STORAGE,
    *RETRAINING,
    *ROLLOUT,
    *NEIGHBOURS,
    *DISTURBED,
)

__all__ = ["GUARDS", "Guard"]
