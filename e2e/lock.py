"""Refreshes the lock files: versions and hashes, nothing else. `python -m e2e.lock` (needs uv on the PATH)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
EXTRAS = {
    "operator": ["--extra", "operator"],
    "train": ["--extra", "train"],
    "serve": ["--extra", "serve"],
    "serve-full": ["--extra", "serve", "--extra", "boosting", "--extra", "sklearn", "--extra", "grpc"],
}
COMMON = ["--generate-hashes", "--no-annotate", "--no-header", "--python-version", "3.11", "--quiet"]


def main() -> int:
    for name, extra in {**EXTRAS, "dev": ["--all-extras"]}.items():
        out = f"requirements/{name}.txt"
        command = ["uv", "pip", "compile", "pyproject.toml", *extra, *COMMON, "--upgrade", "-o", out]
        subprocess.run(command, cwd=ROOT, check=True)
        print(f"wrote {out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
