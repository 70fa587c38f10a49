"""How the demo waits and what it says meanwhile."""

from __future__ import annotations

import io
from typing import Any

import pytest

from e2e.demo import waiting
from e2e.demo.terminal import Progress, Step, clock
from e2e.kubectl import Kubectl


class Cluster(Kubectl):
    """Hands out one state of the object after the other, and always the same pods."""

    def __init__(self, states: list[dict[str, Any] | None], pods: list[dict[str, Any]] | None = None) -> None:
        object.__setattr__(self, "states", states)
        object.__setattr__(self, "pods", pods or [])

    def get(self, kind: str, name: str) -> dict[str, Any] | None:
        states: list[dict[str, Any] | None] = self.__dict__["states"]
        return states.pop(0) if len(states) > 1 else states[0]

    def list(self, kind: str, selector: str = "") -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.__dict__["pods"]
        return found


def job(status: str, reason: str, message: str = "", generation: int = 2, seen: int = 2) -> dict[str, Any]:
    held = {"type": "Succeeded", "status": status, "reason": reason, "message": message, "observedGeneration": seen}
    return {"metadata": {"name": "delays", "generation": generation}, "status": {"conditions": [held]}}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "POLL_SECONDS", 0.0)


def wait(states: list[dict[str, Any] | None], seconds: float = 5, **more: Any) -> tuple[Any, str]:
    out = io.StringIO()
    step = Step("Train", out)
    found = waiting.await_condition(Cluster(states, **more), step, "trainingjob", "delays", "Succeeded", seconds)
    return found, out.getvalue()


def test_a_success_of_an_earlier_generation_is_not_taken_for_the_present_one() -> None:
    """Applied again and changed, the old Succeeded=True does not end the wait."""
    old = job("True", "Trained", generation=3, seen=2)
    new = job("True", "Trained", generation=3, seen=3)
    found, _ = wait([None, old, old, new])
    assert found is new


def test_each_stage_is_said_once_with_the_container_at_work() -> None:
    """The condition's message and the running container are printed when they change, not at every look."""
    pods = [{"status": {"initContainerStatuses": [
        {"name": "record", "state": {"running": {}}},
        {"name": "fetch", "state": {"terminated": {}}},
        {"name": "train", "state": {"running": {}}},
    ]}}]  # fmt: skip
    running = job("Unknown", "Running", "Training")
    _, said = wait([running, running, running, job("True", "Trained")], pods=pods)
    assert said.count("\n") == 1
    assert "trainingjob/delays Succeeded=Unknown Running: Training [train]" in said


@pytest.mark.parametrize("reason", ["GatesFailed", "DataInvalid", "TrainFailed"])
def test_a_final_failure_ends_the_wait_at_once_and_says_why(reason: str) -> None:
    """Where the operator gave up, the demo does too, with the operator's message and the command that shows more."""
    with pytest.raises(waiting.DemoError, match=rf"{reason}: auc is .41(.|\n)*kubectl -n pintle-demo describe"):
        wait([job("False", reason, "auc is .41")])


def test_a_failure_that_passes_is_waited_for() -> None:
    """Storage that is away, or a source that is not there yet, ends nothing."""
    done = job("True", "Trained")
    found, _ = wait([job("False", "StorageUnavailable"), job("False", "SourceNotFound"), done])
    assert found is done


def test_the_time_limit_says_what_was_last_seen() -> None:
    """An object that nobody looks at is named as such at the limit."""
    with pytest.raises(waiting.DemoError, match="after 0 s: Succeeded: not looked at yet"):
        wait([{"metadata": {"name": "delays", "generation": 1}}], seconds=0)


def test_steps_are_numbered_and_timed_and_a_failure_is_marked() -> None:
    """The first step ends with its result, the second one with FAILED."""
    out = io.StringIO()
    progress = Progress(2, out)
    with progress.step("Data") as step:
        step.done("5 files")
    with pytest.raises(RuntimeError), progress.step("Train"):
        raise RuntimeError
    lines = out.getvalue().splitlines()
    assert [line.split(" · ")[0] for line in lines] == ["1/2  Data", "     5 files", "2/2  Train", "     FAILED"]
    assert [clock(8.44), clock(125.7)] == ["8.4 s", "2 min 05 s"]
