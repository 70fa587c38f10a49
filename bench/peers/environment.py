"""Environments of the peers, each built from its lock file: versions and hashes for Linux x86_64, Python 3.11."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOCKS = Path(__file__).resolve().parent / "environments"
OURS = "pintle"
"""What the server image holds, to know its size: our server runs in the environment of the bench."""
BOOSTING = {"xgboost", "xgboost_cpu", "lightgbm"}
"""Libraries of single models, without which the sizes of servers compare."""


def environment(name: str) -> Path:
    """The environment's folder, built where it is not there yet. Raises SystemExit with what to do where it fails."""
    folder = _home() / name
    lock = lock_file(name)
    ready = folder / ".ready"
    if not ready.exists() or ready.read_text() != lock.read_text():
        print(f"installing {name} into {folder}", file=sys.stderr)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        wheels = ["--no-deps", "--only-binary", ":all:", "--require-hashes", "-r", str(lock)]
        try:
            _run([sys.executable, "-m", "venv", "--clear", str(folder)])
            _run([*pip, *wheels])
        except (OSError, subprocess.CalledProcessError) as error:
            raise SystemExit(failure(name, folder, error)) from None
        ready.write_text(lock.read_text())
    return folder


def lock_file(name: str) -> Path:
    """Versions and hashes of that environment."""
    return ROOT / "requirements" / "serve.txt" if name == OURS else LOCKS / f"{name}.txt"


def version(name: str) -> str:
    """The peer's version in its lock file; nothing for ours, which has none there."""
    lines = lock_file(name).read_text().splitlines()
    return next((line.split()[0].partition("==")[2] for line in lines if line.startswith(f"{name}==")), "")


def failure(name: str, folder: Path, error: Exception) -> str:
    """Which peer could not be installed, what was said, and what to do."""
    said = (getattr(error, "stderr", None) or str(error)).strip().splitlines()[-5:]
    told = "\n".join(f"  {line}" for line in said)
    return (
        f"the environment of {name} cannot be built in {folder}:\n{told}\n"
        f"The bench needs Linux x86_64, Python 3.11 (this is {sys.version_info.major}.{sys.version_info.minor}), 1 GB "
        "there (PINTLE_PEERS names another folder) and a package index that pip reaches. Where a file is gone from the "
        f"index or has another hash, renew {lock_file(name).relative_to(ROOT)}. "
        "--only GROUP leaves out the groups that need this peer."
    )


def count(name: str) -> int:
    """Packages in the lock file, without BOOSTING."""
    pinned = [line.partition("==")[0] for line in lock_file(name).read_text().splitlines() if "==" in line]
    return len([package for package in pinned if package.replace("-", "_") not in BOOSTING])


def size(name: str) -> float:
    """MB of the environment's packages, without pip and BOOSTING; of ours without tests, as in the image."""
    packages = next(environment(name).glob("lib/python*/site-packages"))
    left_out = {"pip", "setuptools", "pkg_resources", "_distutils_hack", *(["tests"] if name == OURS else [])}
    return (
        sum(
            item.stat().st_size
            for item in packages.rglob("*")
            if item.is_file() and not _is_left_out(item.relative_to(packages).parts, left_out)
        )
        / 1e6
    )


def _is_left_out(parts: tuple[str, ...], left_out: set[str]) -> bool:
    top = parts[0].partition(".")[0].partition("-")[0]
    return bool(left_out & set(parts)) or top in BOOSTING


def _home() -> Path:
    return Path(os.environ.get("PINTLE_PEERS") or Path.home() / ".cache" / "pintle" / "peers")


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, stderr=subprocess.PIPE, text=True)
