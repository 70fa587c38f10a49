"""For each e2e test the line of code that it guards: disables each in turn and sees its test fail.

    python -m e2e.guards            all (an hour or so)
    python -m e2e.guards list       the list
    python -m e2e.guards NAME ...   these tests only

Works on a copy of the tree with the cluster that is up, and installs the unchanged operator again at the end.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from e2e.guard_list import GUARDS, Guard

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Verdict:
    """Whether the test failed, as it must, when its line was disabled."""

    guard: Guard
    caught: bool
    note: str


def disable(tree: Path, guard: Guard) -> None:
    """Replaces the guarded text in the copy. Raises ValueError where it does not stand exactly once."""
    path = tree / guard.file
    text = path.read_text()
    if text.count(guard.line) != 1:
        raise ValueError(
            f"{guard.file}: {guard.line!r} stands {text.count(guard.line)} times, not once; mend e2e/guard_list.py"
        )
    path.write_text(text.replace(guard.line, guard.instead))


def install(tree: Path) -> None:
    subprocess.run([sys.executable, "-m", "e2e.install"], cwd=tree, check=True, stdout=subprocess.DEVNULL)


def check(tree: Path, guard: Guard) -> Verdict:
    """Disables the line, installs, runs the test; the tree is as before afterwards."""
    path = tree / guard.file
    before = path.read_text()
    try:
        disable(tree, guard)
        install(tree)
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "e2e/tests", "-k", guard.test]
        done = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)
    finally:
        path.write_text(before)
    last = (done.stdout.strip().splitlines() or ["no output"])[-1]
    return Verdict(guard, done.returncode == 1, last)


def main(names: list[str]) -> int:
    chosen = [guard for guard in GUARDS if not names or guard.test in names]
    if names == ["list"]:
        for guard in GUARDS:
            print(f"{guard.test}\n    {guard.file}: {guard.line.strip().splitlines()[0]}\n    {guard.why}")
        return 0
    with tempfile.TemporaryDirectory(prefix="pintle-guards-") as folder:
        tree = Path(folder) / "tree"
        ignore = shutil.ignore_patterns(".venv", ".git", "__pycache__", ".*_cache", "*.egg-info")
        shutil.copytree(ROOT, tree, ignore=ignore)
        verdicts = []
        for number, guard in enumerate(chosen, 1):
            print(f"[{number}/{len(chosen)}] {guard.test}", flush=True)
            verdicts.append(check(tree, guard))
            print(f"    {'caught' if verdicts[-1].caught else 'NOT CAUGHT'}: {verdicts[-1].note}", flush=True)
    install(ROOT)
    missed = [verdict for verdict in verdicts if not verdict.caught]
    print(f"{len(verdicts) - len(missed)} of {len(verdicts)} disabled lines were caught by their test")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
