"""Builds the Go binaries of the cluster, one module each, into the cache."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import cache, paths, progress
from .errors import ClusterError

_COMPILED: set[Path] = set()
_OLDEST_GO = (1, 21)  # from here on `go` fetches the newer toolchain that a go.mod asks for by itself


@dataclass(frozen=True)
class GoBinary:
    """A program from one module below `go/`.

    `package` is the Go package to build (the module's own, or one it requires); `links` are further names of the
    same file. `shared` names the module where it is not the program's own: programs of one module have the same
    versions of everything, so what two of them import is compiled once.
    """

    name: str
    version: str
    package: str = "."
    links: tuple[str, ...] = ()
    linker_flags: str = ""
    tags: str = ""
    shared: str = ""

    @property
    def module(self) -> Path:
        """The folder with its go.mod."""
        return paths.GO_MODULES / (self.shared or self.name)

    def content(self) -> str:
        """Changes with whatever decides what is built."""
        return cache.digest(
            cache.tree(self.module),
            self.package,
            self.linker_flags,
            *filter(None, [self.tags]),
            *self.links,
            root=self.module,
        )

    def cached(self) -> Path | None:
        """The folder of the finished build, or None."""
        return cache.find(self.name, self.version, self.content())

    def folder(self) -> Path:
        """The folder with the program and its links, built when it is not there yet."""
        return self.cached() or cache.build(self.name, self.version, self.content(), self._make)

    def path(self, link: str | None = None) -> Path:
        """The program, or one of its links."""
        return self.folder() / (link or self.name)

    def _make(self, target: Path) -> None:
        go = find_go()
        with progress.step(f"build {self.name} {self.version}", "build") as step:
            total = _count_packages(go, self)
            compiled = _compile(go, self, target, lambda done: step.note(f"{done} of up to {total} packages"))
            # Go keeps compiled packages of its own; a build that found most of them there tells no one's waiting time,
            # unless it was this very process that compiled them for another program of the module.
            step.telling = compiled > total // 2 or self.module in _COMPILED
            if step.telling:
                _COMPILED.add(self.module)
            for link in self.links:
                (target / link).symlink_to(self.name)


def find_go() -> str:
    """The `go` command; its absence is named with what to do."""
    go = shutil.which("go") or ("/usr/local/go/bin/go" if Path("/usr/local/go/bin/go").exists() else None)
    wanted = ".".join(map(str, _OLDEST_GO))
    if not go:
        raise ClusterError(f"The cluster is built from source with Go {wanted} or newer, which is not on the PATH.")
    said = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=False).stdout.strip()
    numbers = re.match(r"go(\d+)\.(\d+)", said)
    if not numbers or (int(numbers[1]), int(numbers[2])) < _OLDEST_GO:
        raise ClusterError(f"The cluster is built from source with Go {wanted} or newer; {go} is {said or 'broken'}.")
    return go


def _environment() -> dict[str, str]:
    return {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false", "GOWORK": "off", "GOTOOLCHAIN": "auto"}


def _count_packages(go: str, binary: GoBinary) -> int:
    words = [go, "list", "-deps", "-tags", binary.tags, binary.package]
    said = subprocess.run(words, cwd=binary.module, env=_environment(), capture_output=True, text=True, check=False)
    return len(said.stdout.splitlines())


def _compile(go: str, binary: GoBinary, target: Path, noted: Callable[[int], None]) -> int:
    command = [go, "build", "-v", "-trimpath", "-tags", binary.tags, "-ldflags", f"-s -w {binary.linker_flags}".strip()]
    command += ["-o", str(target / binary.name), binary.package]
    said: list[str] = []
    compiled = 0
    with subprocess.Popen(
        _gently(command),
        cwd=binary.module,
        env=_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as build:
        assert build.stdout
        for line in build.stdout:
            # `go build -v` prints one import path per compiled package; anything else is a message.
            if re.fullmatch(r"[\w.~/@+-]+", line.strip()):
                compiled += 1
            else:
                said.append(line)
            noted(compiled)
    if build.returncode:
        raise ClusterError(f"Building {binary.name} failed:\n{''.join(said[-40:])}")
    return compiled


def _gently(command: list[str]) -> list[str]:
    return ["nice", "-n", "10", *command] if shutil.which("nice") else command
