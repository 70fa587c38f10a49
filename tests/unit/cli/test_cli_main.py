"""The plugin around its commands: arguments, output, errors, exit codes, what it needs."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pintle.cli import arguments, errors, kubectl, main, watching
from pintle.cli.commands import Answer
from pintle.cli.errors import CliError, not_found
from pintle.cli.facts import duration
from pintle.cli.kubectl import explained
from pintle.cli.yaml_text import to_yaml

from tests.story import OBJECTS

LEAVES = st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"]))
DATA = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=8), inner), max_leaves=12)


@pytest.fixture
def on_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A kubectl that prints the story, whatever it is asked; its file is returned."""
    (tmp_path / "objects.json").write_text(json.dumps({"items": OBJECTS}))
    program = tmp_path / "kubectl"
    program.write_text(f"#!/bin/sh\ncat {tmp_path}/objects.json\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return program


@given(DATA)
def test_yaml_reads_back_as_it_was(value: Any) -> None:
    """A YAML reader gets the same data, whatever the texts look like."""
    assert yaml.safe_load(to_yaml(value)) == value


@pytest.mark.parametrize(
    "text", ["1e3", "0x1f", "12:30", "2026-01-05", "no", "~", "", " a", "a: b", "- a", "x #y", "="]
)
def test_yaml_keeps_texts_texts(text: str) -> None:
    """What looks like a number, a time, a word of YAML or its punctuation is quoted."""
    assert yaml.safe_load(to_yaml({"text": text})) == {"text": text}


def test_flags_stand_before_or_after_the_command() -> None:
    """`-n team get` and `get -n team` are the same; a default does not take away what was given before."""
    parse = arguments.parser().parse_args
    for words in (["-n", "team", "-o", "json", "get"], ["get", "-n", "team", "-o", "json"]):
        found = parse(words)
        assert (found.namespace, found.output, found.context) == ("team", "json", None)


def test_output_for_programs_says_its_shape(on_a_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """JSON and YAML are the same data with apiVersion and kind."""
    assert main.main(["get", "delays", "-n", "demo", "-o", "json"]) == errors.DONE
    found = json.loads(capsys.readouterr().out)
    assert (found["apiVersion"], found["kind"]) == ("cli.pintle.dev/v1alpha1", "ModelList")
    assert main.main(["get", "delays", "-n", "demo", "-o", "yaml"]) == errors.DONE
    assert yaml.safe_load(capsys.readouterr().out) == found


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["get", "delay"], errors.NOT_FOUND, "There is no model delay in namespace demo. Did you mean delays?"),
        (["why", "delay"], errors.NOT_FOUND, "Did you mean delays"),
        (["why", "svc/delays"], errors.USAGE, "There is no kind svc; write mdep/delays"),
        (["lineage", "tj/delays"], errors.NOT_FOUND, "There is no TrainingJob delays"),
        (["diff", "v3", "v4"], errors.USAGE, "v3 of which model? Write delays-v3, or --model delays."),
        (["diff", "delays-v3", "delays-v9"], errors.NOT_FOUND, "There is no ModelVersion delays-v9"),
        (["runs", "fares"], errors.NOT_FOUND, "There is no TrainingJob fares"),
        (["audit", "/nowhere/at/all"], errors.NOT_FOUND, "/nowhere/at/all cannot be read: No such file"),
    ],
)
def test_errors_are_sentences(
    on_a_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], code: int, says: str
) -> None:
    """On stderr, with an exit code that says what kind it is."""
    assert main.main([*words, "-n", "demo"]) == code
    captured = capsys.readouterr()
    assert says in captured.err
    assert captured.out == ""


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["get", "fares", "-A"], "fares-next"),
        (["why", "tj/delays"], "held back: FeatureDrift"),
        (["why", "delays"], "There is also: tj/delays"),
        (["diff", "v3", "v4", "--model", "delays"], "FeatureDrift: wind psi 0.31"),
        (["runs"], "delays-00000000a5"),
        (["lineage", "delays-v4"], "2013-01 to 2013-06"),
    ],
)
def test_commands_answer(on_a_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], says: str) -> None:
    """Each command, from the line that a person writes to what is printed, without colours in a pipe."""
    assert main.main([*words, "-n", "demo"]) == errors.DONE
    out = capsys.readouterr().out
    assert says in out
    assert "\x1b" not in out


KUBECTL = {
    "no cluster": (
        "The connection to the server 127.0.0.1:1 was refused - did you specify the right host or port?",
        errors.NO_ACCESS,
        "No cluster answers",
    ),
    "no right": (
        'Error from server (Forbidden): modelversions.pintle.dev is forbidden: User "ann" cannot list',
        errors.NO_ACCESS,
        'You are not allowed to do this: modelversions.pintle.dev is forbidden: User "ann" cannot list. Ask for',
    ),
    "not logged in": ("error: You must be logged in to the server (Unauthorized)", errors.NO_ACCESS, "Log in again"),
    "no kinds": (
        'error: the server doesn\'t have a resource type "trainingjobs"', errors.NO_ACCESS, "the chart pintle-crds",
    ),
    "no context": ('error: context "x" does not exist', errors.NO_ACCESS, "get-contexts"),
    "no object": (
        'Error from server (NotFound): modeldeployments.pintle.dev "x" not found', errors.NOT_FOUND, "not found",
    ),
    "anything else": ("error: unknown flag: --x", errors.NOT_DONE, "kubectl says: unknown flag: --x"),
    "nothing": ("", errors.NOT_DONE, "kubectl failed"),
}  # fmt: skip


@pytest.mark.parametrize("what", KUBECTL)
def test_errors_of_kubectl_say_what_to_do(what: str) -> None:
    """What kubectl and the API server say becomes a sentence for a person, and a code for a program."""
    text, code, says = KUBECTL[what]
    error = explained(text)
    assert says in str(error)
    assert error.code == code


def test_without_kubectl(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The plugin says what is missing."""
    monkeypatch.setenv("PATH", "/nowhere")
    assert main.main(["get", "-n", "demo"]) == errors.NO_ACCESS
    assert "kubectl is not on the PATH" in capsys.readouterr().err


def test_names_that_look_like_it() -> None:
    """Three at most; all of few where none looks like it; another namespace where there is none."""
    assert "Did you mean fares or fares-next?" in str(not_found("model", "fare", ["fares", "fares-next", "x"], "here"))
    assert "Did you mean x?" in str(not_found("model", "delays", ["x"], "here"))
    assert "-n NAME" in str(not_found("model", "delays", [], "here"))


def test_colours_are_for_terminals() -> None:
    """Not in a pipe, not with NO_COLOR, not on a dumb terminal."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    assert main.is_colourful(Terminal(), {})
    assert not main.is_colourful(io.StringIO(), {})
    assert not main.is_colourful(Terminal(), {"NO_COLOR": "1"})
    assert not main.is_colourful(Terminal(), {"TERM": "dumb"})


def test_watching_goes_on_after_a_bad_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A look that fails is told and tried again; the same is not printed twice in a pipe; Ctrl-C is no error."""
    looks: list[str | CliError] = ["one", "one", CliError("No cluster answers."), "two"]

    def look() -> Answer:
        if not looks:
            raise KeyboardInterrupt
        found = looks.pop(0)
        if isinstance(found, CliError):
            raise found
        return Answer("ModelList", {}, [found])

    monkeypatch.setattr(watching.time, "sleep", lambda seconds: None)
    given = arguments.parser().parse_args(["get", "-w"])
    stream = io.StringIO()
    assert watching.watch(look, given, stream, main.printed) == errors.DONE
    assert stream.getvalue() == "one\nNo cluster answers. Trying again.\ntwo\n"
    assert watching.drawn("a\nb\n", in_place=True) == "\x1b[Ha\x1b[K\nb\x1b[K\n\x1b[J"


def test_durations_read_like_kubectl() -> None:
    """Seconds up to two minutes, minutes up to three hours, hours up to two days."""
    assert [duration(seconds) for seconds in (0, 119, 120, 10799, 10800, 172800, None)] == [
        "0s", "119s", "2m", "179m", "3h", "2d", "",
    ]  # fmt: skip


def test_plain_pip_install_is_enough() -> None:
    """The plugin starts without any package: `pip install pintle` has no dependency."""
    gone = ("pydantic", "yaml", "kubernetes", "kopf", "numpy", "orjson", "aiohttp")
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({gone!r}))\nfrom pintle.cli.main import main\nmain(['--help'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "kubectl pintle" in done.stdout


def test_the_namespace_of_a_pod(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without a flag and a context's choice it is the pod's own, else default."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert kubectl.Kubectl(chosen_namespace="team").namespace() == "team"
    monkeypatch.setattr(kubectl, "_own_namespace", lambda: "own")
    assert kubectl.Kubectl().namespace() == "own"
    monkeypatch.setattr(kubectl, "_own_namespace", lambda: "")
    assert kubectl.Kubectl().namespace() == "default"


def test_it_runs_as_a_module() -> None:
    """`python -m pintle.cli` is the plugin, where it is not on the PATH."""
    done = subprocess.run([sys.executable, "-m", "pintle.cli", "--help"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "kubectl pintle" in done.stdout
