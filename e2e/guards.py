"""For each e2e test the line of code that it guards: disables each in turn and sees its test fail.

    python -m e2e.guards            all (two hours or so)
    python -m e2e.guards list       the list
    python -m e2e.guards NAME ...   these tests only
    ... --no-baseline               does not see them pass first

Works on a copy of the tree with the cluster that is up, and installs the unchanged operator again at the end. A test
that fails waits in vain: it waits for a part of the usual time only, and each test must first pass under that.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from e2e.guard_list import GUARDS, Guard

ROOT = Path(__file__).parent.parent
FAILED = re.compile(r"^(?:FAILED|ERROR) \S+::(\w+)", re.M)
"""A test in pytest's summary."""
ORDINARY = (0, 1, 5)
"""pytest's exit codes where all passed, some failed, or none was found; otherwise nothing is known."""
PYTEST = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "e2e/tests")


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
            f"{guard.file}: {guard.line!r} stands {text.count(guard.line)} times, not once; mend e2e/guard_list"
        )
    path.write_text(text.replace(guard.line, guard.instead))


@dataclass
class Tree:
    """A copy of the tree in which one line after another is disabled."""

    folder: Path
    whole: str = ""
    """The file in which a line is disabled, before that."""

    def make(self) -> Tree:
        ignore = shutil.ignore_patterns(".venv", ".git", "__pycache__", ".*_cache", "*.egg-info")
        shutil.copytree(ROOT, self.folder, ignore=ignore)
        return self

    def prepare(self, guard: Guard) -> None:
        """Disables the line and builds the images. Raises CalledProcessError with what broke."""
        self.whole = (self.folder / guard.file).read_text()
        disable(self.folder, guard)
        command = ["nice", sys.executable, "-m", "e2e.install", "--only-images"]
        subprocess.run(command, cwd=self.folder, check=True, stdout=subprocess.DEVNULL)

    def restore(self, guard: Guard) -> None:
        """As before `prepare`."""
        (self.folder / guard.file).write_text(self.whole)

    def check(self, guard: Guard) -> Verdict:
        """Installs what was prepared and runs the test."""
        install(self.folder)
        done = pytest(self.folder, guard.patience, "-k", guard.test)
        last = (done.stdout.strip().splitlines() or ["no output"])[-1]
        return Verdict(guard, done.returncode == 1, last)


def pytest(tree: Path, patience: float, *words: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PINTLE_E2E_PATIENCE": str(patience)}
    return subprocess.run([*PYTEST, *words], cwd=tree, env=env, capture_output=True, text=True, check=False)


def broken(tree: Path, chosen: list[Guard]) -> set[str]:
    """The tests that fail as the code stands, with as little patience: their lines cannot be tried."""
    install(tree)
    patience = {guard.test: guard.patience for guard in chosen}
    short = {test for test, share in patience.items() if share <= Guard.patience}
    # Beside others, and those that disturb by themselves. One that failed gets what it gets when its line is disabled:
    # the machine for itself, and its own patience.
    alone = set(patience) - short
    for words in (("-n", "3"), ("-m", "disturbs")):
        if not short:
            break
        done = pytest(tree, Guard.patience, *words, "-k", " or ".join(sorted(short)))
        print(f"as the code stands: {done.stdout.strip().splitlines()[-1]}", flush=True)
        alone |= short & set(FAILED.findall(done.stdout)) if done.returncode in ORDINARY else short
    found = set()
    for test in sorted(alone):
        done = pytest(tree, patience[test], "-k", test)
        print(f"as the code stands, {test}: {done.stdout.strip().splitlines()[-1]}", flush=True)
        if done.returncode != 0:
            print(done.stdout[-4000:], flush=True)
            found.add(test)
    return found


def install(tree: Path) -> None:
    subprocess.run([sys.executable, "-m", "e2e.install"], cwd=tree, check=True, stdout=subprocess.DEVNULL)


def check_all(chosen: list[Guard], folder: Path, baseline: bool) -> list[Verdict]:
    """Each in turn; while one is tested, the images of the next are built in a second copy."""
    # Both come from one state of the sources, which may change meanwhile.
    trees = (Tree(folder / "a").make(), Tree(folder / "b").make())
    failing = broken(trees[0].folder, chosen) if baseline else set()
    verdicts = [Verdict(guard, False, "fails as the code stands") for guard in chosen if guard.test in failing]
    todo = [guard for guard in chosen if guard.test not in failing]
    with ThreadPoolExecutor(1) as pool:
        ready = [pool.submit(trees[0].prepare, guard) for guard in todo[:1]]
        for number, guard in enumerate(todo):
            print(f"[{number + 1}/{len(todo)}] {guard.test}", flush=True)
            ready.pop().result()
            tree = trees[number % 2]
            ready = [
                pool.submit(trees[1 - number % 2].prepare, following) for following in todo[number + 1 : number + 2]
            ]
            try:
                verdicts.append(tree.check(guard))
            finally:
                tree.restore(guard)
            print(f"    {'caught' if verdicts[-1].caught else 'NOT CAUGHT'}: {verdicts[-1].note}", flush=True)
    return verdicts


def main(words: list[str]) -> int:
    names = [word for word in words if not word.startswith("--")]
    chosen = [guard for guard in GUARDS if not names or guard.test in names]
    if names == ["list"]:
        for guard in GUARDS:
            print(f"{guard.test}\n    {guard.file}: {guard.line.strip().splitlines()[0]}\n    {guard.why}")
        return 0
    with tempfile.TemporaryDirectory(prefix="pintle-guards-") as folder:
        verdicts = check_all(chosen, Path(folder), "--no-baseline" not in words)
        # What is installed in the end is what the copies were made from, though ROOT may have moved on.
        install(Path(folder) / "a")
    missed = [verdict for verdict in verdicts if not verdict.caught]
    print(f"{len(verdicts) - len(missed)} of {len(verdicts)} disabled lines were caught by their test")
    for verdict in missed:
        print(f"not caught: {verdict.guard.test}, {verdict.guard.why}: {verdict.note}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
