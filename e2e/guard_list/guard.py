"""One entry of the list."""

from __future__ import annotations

from dataclasses import dataclass

CORE = "operator/pintle/core"
RESOURCES = "operator/pintle/resources"


@dataclass(frozen=True)
class Guard:
    """`line`, which stands once in `file`, becomes `instead`; `test` must then fail, because of `why`."""

    test: str
    file: str
    line: str
    instead: str
    why: str
    patience: float = 0.4
    """What part of its usual time the test waits in vain; more where what it waits for takes long when all is well."""
