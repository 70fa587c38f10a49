"""`python only.py REQUIREMENTS CODE` runs code with the packages of a lock file only, as an image has them."""

from __future__ import annotations

import importlib.metadata
import re
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

OURS = {"pintle"}


class Only:
    """A finder that knows no module of a package that the lock file does not name."""

    def __init__(self, requirements: Path) -> None:
        found = re.findall(r"^([A-Za-z0-9_.-]+)==", requirements.read_text(), re.MULTILINE)
        named = {_canonical(name) for name in found}
        packages = importlib.metadata.packages_distributions()
        self._missing = {
            module
            for module, distributions in packages.items()
            if not {_canonical(name) for name in distributions} & (named | OURS)
        }

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name.partition(".")[0] in self._missing:
            raise ModuleNotFoundError(f"No module named {name!r} in this image", name=name)
        return None


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    sys.meta_path.insert(0, Only(Path(sys.argv[1])))
    exec(sys.argv[2])
