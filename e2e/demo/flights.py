"""The example's own modules, as its scripts see them, and which months the demo uses."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "examples" / "flights"))

import features
import figures
import partitions
import source

EXAMPLE = Path(source.__file__).parent
# Trained on February to April, judged on May, replayed June: every replayed flight leaves after all that was learnt
# or judged. `make bench-flights` prints how other months fare.
PARTITIONS = (1, 2, 3, 4, 5)
REPLAY_MONTH = 6

__all__ = ["EXAMPLE", "PARTITIONS", "REPLAY_MONTH", "features", "figures", "partitions", "source"]
