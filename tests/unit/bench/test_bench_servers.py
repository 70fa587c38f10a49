"""The bench of model servers: what is compared, what is told, how peers are installed, paused and ended."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
from pintle.serve.artifact import open_artifact
from pintle.serve.models import load_model
from pintle.serve.warmup import prove

from bench.peers import environment, groups, models, runtimes, telling
from bench.peers.groups import BURSTS, GROUPS, ONE_16, ONE_64
from bench.peers.processes import awake, end, family, pause
from bench.peers.servers import Server
from bench.report import Report
from bench.serving.rows import instances

T = TypeVar("T")
LOCKS = sorted({name for group in GROUPS.values() for name in group.environments})
LINE = re.compile(r"([A-Za-z0-9._-]+)==(\S+) --hash=sha256:[0-9a-f]{64}")


def server(name: str, **figures: list[float]) -> Server:
    """A server with requests per second, p99 and processor time of one row over 64 connections."""
    found = Server(name, 1, 1, "/", instances)
    for key, values in figures.items():
        getattr(found, key)[ONE_64.name] = values
    return found


def state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def program(pid: int) -> str:
    """The name by which it was started; empty for one that is being made or has ended."""
    return Path(f"/proc/{pid}/cmdline").read_bytes().partition(b"\0")[0].decode()


def eventually(look: Callable[[], T], met: Callable[[T], bool]) -> T:
    """What was seen once `met` holds for it. AssertionError after ten seconds."""
    deadline = time.monotonic() + 10
    while not met(seen := look()):
        assert time.monotonic() < deadline, f"still {seen}"
        time.sleep(0.01)  # between two looks; the deadline ends it
    return seen


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_has_one_hash_for_each_package(name: str) -> None:
    """Nothing else stands in it, and the peer itself has a version."""
    lines = environment.lock_file(name).read_text().splitlines()
    found = [LINE.fullmatch(line) for line in lines]
    assert all(found)
    packages = [match[1].lower().replace("_", "-") for match in found if match]
    assert len(packages) == len(set(packages))
    assert environment.version(name)


@pytest.mark.parametrize("name", LOCKS)
def test_peers_read_what_is_trained_here(name: str) -> None:
    """The libraries of the models have the versions of the development environment, which writes the files."""
    dev = (environment.ROOT / "requirements" / "dev.txt").read_text()
    pinned = dict(re.findall(r"^([A-Za-z0-9._-]+)==(\S+)", dev, re.MULTILINE))
    locked = dict(match.groups() for match in LINE.finditer(environment.lock_file(name).read_text()))
    shared = {"scikit-learn", "numpy", "joblib", "onnxruntime", "xgboost-cpu", "lightgbm"} & locked.keys()
    assert {"scikit-learn", "numpy", "onnxruntime"} <= shared
    assert {package: locked[package] for package in shared} == {package: pinned[package] for package in shared}


def test_a_ratio_is_of_servers_that_are_asked_in_turn() -> None:
    """Both stand in one group, ours first, and its servers are asked what the ratio compares."""
    for ratio in telling.RATIOS:
        group = next(group for group in GROUPS.values() if ratio.ours in group.servers)
        assert next(iter(group.servers)) == ratio.ours
        assert ratio.peer in group.servers
        asked = {scenario.name for scenario in group.scenarios} | ({BURSTS} if group.bursts else set())
        assert ratio.scenario in asked


def test_every_peer_is_compared_with_ours() -> None:
    """No server is asked for nothing, and each runs in an environment that is installed before."""
    compared = {ratio.peer for ratio in telling.RATIOS}
    for group in GROUPS.values():
        first, *peers = group.servers
        assert set(peers) <= compared
        packages = {name.replace(",", " ").split()[0] for name in (first, *peers)}
        assert packages == {environment.OURS, *group.environments}


def test_the_median_of_ours_is_held_against_the_best_of_the_peer() -> None:
    """Requests per second, and processor time beside."""
    ratio = telling.Ratio(groups.OURS, groups.MLSERVER, ONE_64.name, "set 30, stretch 60")
    ours = server(groups.OURS, per_second=[10.0, 30.0, 20.0], processor=[50.0, 40.0, 60.0])
    peer = server(groups.MLSERVER, per_second=[1.0, 2.0], processor=[500.0, 600.0])
    report = Report("ratios")
    telling.tell_rate(report, ratio, ours, peer)
    told = {figure.name: (figure.samples, figure.note) for figure in report.figures}
    start = "pintle, onnx / mlserver as it comes: 1 row, c64"
    assert told == {start: ([10.0], "set 30, stretch 60"), f"{start}, by processor time": ([10.0], "")}


def test_servers_that_were_not_asked_are_left_out() -> None:
    """With --only, the other groups' ratios are not there."""
    found = [server(name, per_second=[1.0], processor=[1.0]) for name in (groups.OURS_SKLEARN, groups.KSERVE)]
    report = Report("ratios")
    telling.tell_ratios(report, {item.name: item for item in found})
    assert [figure.name.partition(":")[0] for figure in report.figures] == ["pintle, scikit-learn / kserve"] * 2


def test_a_shorter_tail_of_ours_is_more_times() -> None:
    """The best p99 of the peer against the median of ours."""
    ours, peer = server(groups.OURS), server(groups.KSERVE_ONNX)
    ours.p99[ONE_16.name], peer.p99[ONE_16.name] = [1.0, 2.0, 9.0], [8.0, 30.0]
    report = Report("ratios")
    telling.tell_tail(report, telling.Ratio(ours.name, peer.name, ONE_16.name, "set 4", tail=True), ours, peer)
    (figure,) = report.figures
    assert (figure.name, figure.samples, figure.note) == (
        f"p99 of {peer.name} / {ours.name}: 1 row, c16",
        [4.0],
        "set 4",
    )


def test_the_table_says_what_was_not_asked() -> None:
    """A line for each server, with medians, and the packages of its environment."""
    found = server(groups.MLSERVER_XGBOOST, per_second=[1_000.0, 1_200.0, 1_100.0], p99=[3.0, 4.0, 5.0])
    found.started, found.pss = 2.25, 211.6
    head, line = telling.table({found.name: found}, {"mlserver": 500.4})
    assert re.split(r"\s{2,}", head) == [
        "medians: req/s; p99 ms",
        *("1 row, c16", "1 row, c64", "100 rows, c64", "ready s", "PSS MB", "packages MB"),
    ]
    assert re.split(r"\s{2,}", line) == ["mlserver, xgboost", "-", "1,100; 4.0", "-", "2.2", "212", "500"]


def test_an_environment_that_cannot_be_built_names_the_peer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What pip said, the lock to renew, and how to go on without; the next run tries again."""

    def fail(command: list[str]) -> None:
        raise subprocess.CalledProcessError(1, command, stderr="ERROR: no matching distribution for bentoml")

    monkeypatch.setenv("PINTLE_PEERS", str(tmp_path))
    monkeypatch.setattr(environment, "_run", fail)
    with pytest.raises(SystemExit) as stopped:
        environment.environment("bentoml")
    for part in ("environment of bentoml", "no matching", "bench/peers/environments/bentoml.txt", "--only GROUP"):
        assert part in str(stopped.value)
    assert not (tmp_path / "bentoml" / ".ready").exists()


def test_the_size_is_that_of_the_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither pip counts nor the libraries that single models need."""
    monkeypatch.setenv("PINTLE_PEERS", str(tmp_path))
    packages = tmp_path / "kserve" / "lib" / "python3.11" / "site-packages"
    for name in ("kserve", "pip", "xgboost", "xgboost_cpu.libs", "lightgbm-4.7.0.dist-info"):
        (packages / name).mkdir(parents=True)
        (packages / name / "file").write_bytes(b"x" * 1_000_000)
    (tmp_path / "kserve" / ".ready").write_text(environment.lock_file("kserve").read_text())
    assert environment.size("kserve") == 1.0


def test_only_the_server_that_is_asked_runs_and_none_is_left() -> None:
    """Children too, even one with a session of its own."""
    code = "import subprocess, sys; subprocess.run(['sleep', '60'], start_new_session=True)"
    process = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    try:
        # Who makes a process cannot be stopped before the new one runs its own program.
        eventually(lambda: [program(pid) for pid in family(process.pid)[1:]], lambda found: found == ["sleep"])
        members = family(process.pid)
        pause(process.pid)
        with awake(process.pid):
            assert not any(state(member) == "T" for member in members)
        eventually(lambda: [state(member) for member in members], lambda found: found == ["T", "T"])
    finally:
        end(process)
    assert process.returncode is not None
    child = Path(f"/proc/{members[1]}")
    eventually(lambda: state(members[1]) if child.exists() else "", lambda found: found in ("", "Z"))


@pytest.mark.slow
@pytest.mark.parametrize("name", list(GROUPS))
def test_ours_and_the_peers_have_the_same_model(tmp_path: Path, name: str) -> None:
    """The artifact proves itself, and the peers' file gives the answers of its example."""
    GROUPS[name].make(tmp_path)
    artifact = open_artifact(tmp_path / "ours")
    assert prove(load_model(artifact), artifact.example) < 1e-4
    assert artifact.profile is not None
    values, _ = models.rows()
    found = np.asarray(runtimes.load(tmp_path / "peers", name)(values[:20]))
    answers = np.array(artifact.example.answers)
    if name == "sklearn":  # classes, as the peers' own runtimes give them
        assert found.tolist() == (answers > 0.5).tolist()
    else:
        assert (found[:, 1] if found.ndim == 2 else found) == pytest.approx(answers, abs=1e-5)
