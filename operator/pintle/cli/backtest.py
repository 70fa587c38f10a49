"""`backtest`: a recorded rollout, judged and decided again by the code that the operator runs."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable, Iterable
from typing import Any

from pintle.cli import backtest_text, errors, record_file
from pintle.cli.answer import Answer
from pintle.cli.errors import CliError
from pintle.cli.kubectl import Kubectl
from pintle.cli.record_range import recorded_range
from pintle.cli.text import clean
from pintle.core.backtest.recording import Recording

NEEDED = ("numpy", "pydantic")
WHOLE = ("minRows", "deadlineSeconds", "progressDeadlineSeconds", "seconds", "holdbackWeight")
"""Settings that are whole numbers; decimals are text in the API."""
_STEPS = re.compile(r"(\d+(:\d+)?|pause)(,(\d+(:\d+)?|pause))*")


def backtest(kubectl: Kubectl, arguments: argparse.Namespace) -> Answer:
    """Reads a recording, or a range of Prometheus, and replays it."""
    changes = changes_of(arguments.set or ())
    run = _engine()
    recording = _recording(kubectl, arguments)
    if arguments.save:
        record_file.save(recording, arguments.save)
    view = run(recording, changes, arguments.compare)
    return Answer("Backtest", view, backtest_text.lines(clean(view), arguments.all))


def _recording(kubectl: Kubectl, arguments: argparse.Namespace) -> Recording:
    if bool(arguments.file) == bool(arguments.prometheus):
        raise CliError("Give a FILE, or --prometheus URL --deployment NAME --from TIME; one of the two.", errors.USAGE)
    return record_file.load(arguments.file) if arguments.file else recorded_range(kubectl, arguments)


def _engine() -> Callable[[Recording, Any, bool], dict[str, Any]]:
    try:
        from pintle.cli.backtest_run import backtest as run
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in (*NEEDED, "pydantic_core"):
            raise
        raise CliError(
            f"backtest runs the operator's own code, which needs {error.name}, and it is not installed beside this"
            " plugin. In a clone of Pintle: pip install '.[backtest]' (numpy and pydantic).",
            errors.USAGE,
        ) from error
    return run


def changes_of(said: Iterable[str]) -> dict[str, Any]:
    """`advanced.errors.margin=0.02` and its like as {"rollout": {...}, "guard": {...}}. Raises CliError."""
    made: dict[str, Any] = {}
    for text in said:
        path, equals, value = text.partition("=")
        parts = path.strip().removeprefix("rollout.").split(".")
        if not equals or not all(parts):
            raise CliError(f"--set {text}: write KEY=VALUE, such as advanced.errors.margin=0.02.", errors.USAGE)
        place = made.setdefault("guard" if parts[0] == "guard" else "rollout", {})
        parts = parts[1:] if parts[0] == "guard" else parts
        if not parts:
            raise CliError(f"--set {text}: write guard.seconds or guard.holdbackWeight.", errors.USAGE)
        for part in parts[:-1]:
            place = place.setdefault(part, {})
        place[parts[-1]] = _value(parts[-1], value.strip())
    return made


def _value(key: str, text: str) -> Any:
    """As the API has it: lists and booleans as JSON, whole numbers where they are, decimals as text."""
    if key == "steps" and _STEPS.fullmatch(text):
        return [_step(part) for part in text.split(",")]
    if text[:1] in "[{" or text in ("true", "false", "null"):
        try:
            return json.loads(text)
        except ValueError as error:
            raise CliError(f"--set {key}={text} is no JSON: {error}.", errors.USAGE) from error
    return int(text) if key in WHOLE and text.isdigit() else text


def _step(text: str) -> dict[str, Any]:
    if text == "pause":
        return {"pause": True}
    weight, _, seconds = text.partition(":")
    return {"weight": int(weight)} | ({"minSeconds": int(seconds)} if seconds else {})
