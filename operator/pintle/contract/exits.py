"""Exit codes of the containers of a run and of a check; after sysexits.h where a code exists there."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """What a container's exit code means to the operator."""

    DONE = 0
    DATA_INVALID = 65
    """The data break the schema, or bytes do not match their digest. Final."""
    REFUSED = 66
    """Gates refuse the model, or it cannot be loaded, or answers differently. Final."""
    UNCHANGED = 67
    """This run identity has been trained before. Final."""
    NEED_MORE_DATA = 68
    """Too few rows that are later than the training rows. Final for this run."""
    TRY_AGAIN = 75
    """Storage cannot be read or written right now."""
    CONFIG = 78
    """The request itself is wrong. Final."""


FINAL = (Exit.DATA_INVALID, Exit.REFUSED, Exit.UNCHANGED, Exit.NEED_MORE_DATA, Exit.CONFIG)
