"""The example's modules as its scripts see them: its folder is on the path."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3] / "examples" / "flights"))
