"""`backtest`: from the line that a person writes to what is printed, and what it says where it cannot."""

from __future__ import annotations

import gzip
import importlib.util
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from pintle.cli import errors, main, record_file
from pintle.cli.backtest import changes_of
from pintle.cli.errors import CliError

EXAMPLES = Path(__file__).parents[3] / "examples" / "recordings"
BAD, GOOD = (str(EXAMPLES / name) for name in ("bad-canary.jsonl.gz", "good-canary.csv.gz"))


def replayed(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    """As data."""
    assert main.main(["backtest", *words, "-o", "json"]) == errors.DONE
    return dict(json.loads(capsys.readouterr().out))


def script() -> ModuleType:
    """examples/recordings/make.py."""
    spec = importlib.util.spec_from_file_location("make_recordings", EXAMPLES / "make.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_the_examples_are_what_their_script_makes() -> None:
    """Line by line, and so are the packed bytes, but for the library that packs."""
    for name, lines in script().recordings().items():
        assert gzip.decompress((EXAMPLES / name).read_bytes()).decode() == "".join(lines), f"run make.py: {name}"


def test_the_bad_canary_is_taken_back(capsys: pytest.CaptureFixture[str]) -> None:
    """The look that says Fail is the last one, and says what was done."""
    found = replayed(capsys, BAD)
    assert (found["kind"], found["outcome"]) == ("Backtest", "RolledBack")
    assert found["decided"]["action"] == "Rollback"
    assert found["decided"]["rule"] == "errors"
    assert [look.get("done") for look in found["looks"]][-1] == "Rollback"
    assert found["looks"][-1]["verdict"] == "Fail"
    errors_test = next(test for test in found["looks"][-1]["tests"] if test["name"] == "errors")
    assert float(errors_test["evidence"]) >= float(errors_test["threshold"])


def test_the_good_canary_is_promoted_although_its_pod_began_again(capsys: pytest.CaptureFixture[str]) -> None:
    """Steps, promotion and the end of the guard, each with its time."""
    found = replayed(capsys, GOOD)
    assert found["outcome"] == "Promoted"
    assert [deed["action"] for deed in found["deeds"]] == ["Step", "Promote", "Accept"]
    assert found["deeds"][0]["seconds"] < found["deeds"][1]["seconds"] < found["deeds"][2]["seconds"]


def test_both_forms_replay_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """JSON lines, CSV, packed or not, saved again, and from standard input."""
    wanted = replayed(capsys, BAD)
    for name in ("a.csv", "b.jsonl", "c.csv.gz", "d.jsonl.gz"):
        assert replayed(capsys, BAD, "--save", str(tmp_path / name)) == wanted
        assert replayed(capsys, str(tmp_path / name)) == wanted
    assert not list(tmp_path.glob(".*")), "nothing half-written is left"


def test_standard_input(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A recording may come out of a pipe, packed or not."""
    wanted = replayed(capsys, BAD)
    for body in (Path(BAD).read_bytes(), gzip.decompress(Path(BAD).read_bytes())):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(body)))
        assert replayed(capsys, "-") == wanted


def test_what_others_would_have_done(capsys: pytest.CaptureFixture[str]) -> None:
    """The recorded settings, those that were set, and the three sensitivities, on the same samples."""
    found = replayed(capsys, GOOD, "--compare", "--set", "advanced.minRows=4000", "--set", "guard.seconds=30")
    by_name = {item["name"]: item for item in found["compared"]}
    assert list(by_name) == ["as recorded", "as set", "Careful", "Balanced", "Fast"]
    assert by_name["as recorded"]["rows"] < 4000
    assert by_name["as set"]["rows"] >= 4000
    assert by_name["Fast"]["decided"]["seconds"] < by_name["Balanced"]["decided"]["seconds"]
    assert by_name["Careful"]["outcome"] == "Undecided"
    assert "not enough evidence yet" in by_name["Careful"]["waitsFor"]
    assert found["settings"]["minRows"] == 4000
    guard = found["deeds"][-1]["seconds"] - found["deeds"][-2]["seconds"]
    assert 30 <= guard < 60


def test_people_get_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    """A row for each look at which something changed, then what came of it; --all has every look."""
    assert main.main(["backtest", GOOD, "--compare"]) == errors.DONE
    text = capsys.readouterr().out
    assert "ca9a27b3 (v4) beside 5e1f00d1 (v3) since 2026-11-21T14:00:00.000Z" in text
    assert "Outcome promoted, and the guard passed" in text
    assert "--all shows the others" in text
    assert "Careful" in text
    assert "Restarts are those that counters show" in text
    assert main.main(["backtest", GOOD, "--all"]) == errors.DONE
    every = capsys.readouterr().out
    looks = replayed(capsys, GOOD)["looks"]
    assert sum(line.startswith("  +") and " | " in line for line in every.splitlines()) == len(looks)
    assert main.main(["backtest", BAD, "-o", "yaml"]) == errors.DONE
    assert yaml.safe_load(capsys.readouterr().out) == replayed(capsys, BAD)


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ("sensitivity=Fast", {"rollout": {"sensitivity": "Fast"}}),
        ("rollout.advanced.errors.margin=0.02", {"rollout": {"advanced": {"errors": {"margin": "0.02"}}}}),
        ("advanced.minRows=40", {"rollout": {"advanced": {"minRows": 40}}}),
        ("guard.holdbackWeight=0", {"guard": {"holdbackWeight": 0}}),
        (
            "steps=5:30,pause,50",
            {"rollout": {"steps": [{"weight": 5, "minSeconds": 30}, {"pause": True}, {"weight": 50}]}},
        ),
        ('metrics=[{"name": "slow", "dryRun": true}]', {"rollout": {"metrics": [{"name": "slow", "dryRun": True}]}}),
        ("advanced=null", {"rollout": {"advanced": None}}),
    ],
)
def test_settings_are_written_as_in_the_spec(said: str, wanted: dict[str, Any]) -> None:
    """Dots for depth; numbers as the API has them."""
    assert changes_of([said]) == wanted


def test_a_test_that_is_a_dry_run_takes_nothing_back(capsys: pytest.CaptureFixture[str]) -> None:
    """Settings reach the judgement as they do in the operator."""
    found = replayed(capsys, BAD, "--set", 'metrics=[{"name": "errors", "dryRun": true}]')
    assert found["outcome"] != "RolledBack"
    assert found["settings"]["dryRun"] == ["errors"]


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        ([], errors.USAGE, "Give a FILE, or --prometheus URL"),
        ([BAD, "--prometheus", "http://x"], errors.USAGE, "one of the two"),
        (["--prometheus", "http://x"], errors.USAGE, "--prometheus needs --deployment NAME and --from TIME"),
        (["/nowhere/at/all"], errors.NOT_FOUND, "There is no file /nowhere/at/all."),
        ([str(EXAMPLES)], errors.NOT_FOUND, "cannot be read: Is a directory"),
        ([BAD, "--set", "alpha"], errors.USAGE, "write KEY=VALUE, such as advanced.errors.margin=0.02"),
        ([BAD, "--set", "guard=3"], errors.USAGE, "write guard.seconds or guard.holdbackWeight"),
        ([BAD, "--set", "metrics=[{"], errors.USAGE, "is no JSON"),
        ([BAD, "--set", "advanced.errors.margin=much"], errors.USAGE, "rollout.advanced.errors.margin: "),
        ([BAD, "--set", "advanced.errors.tolerated=2"], errors.USAGE, "0 <= tolerated <= margin <= 1 must hold"),
        ([BAD, "--set", "advnced.beta=0.2"], errors.USAGE, "--set advnced: there is no such field"),
        ([BAD, "--set", "advanced.betta=0.2"], errors.USAGE, "--set advanced.betta: there is no such field"),
        ([BAD, "--set", "guard.minutes=2"], errors.USAGE, "--set minutes: there is no such field"),
        ([BAD, "--save", "/nowhere/at/all"], errors.NOT_FOUND, "/nowhere/at/all cannot be written: No such file"),
    ],
)
def test_errors_are_sentences(capsys: pytest.CaptureFixture[str], words: list[str], code: int, says: str) -> None:
    """On stderr, with an exit code that says what kind it is."""
    assert main.main(["backtest", *words]) == code
    captured = capsys.readouterr()
    assert says in captured.err
    assert captured.out == ""


def test_a_file_that_was_cut_off_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Plain: the line. Packed: that it is not whole. No text at all: where."""
    lines = gzip.decompress(Path(BAD).read_bytes())
    for name, body, says in (
        ("plain.jsonl", lines[:9_000], "plain.jsonl, line "),
        ("packed.gz", Path(BAD).read_bytes()[:2_000], "packed.gz was cut off, or is not packed by gzip"),
        ("binary", b"{\xff\xfe", "binary is no text (invalid start byte at byte 1)"),
    ):
        (tmp_path / name).write_bytes(body)
        assert main.main(["backtest", str(tmp_path / name)]) == errors.NOT_DONE
        said = capsys.readouterr().err
        assert says in said
    with pytest.raises(CliError, match="the file was cut off: copy or record it again"):
        record_file.load(str(tmp_path / "plain.jsonl"))


HIDING = """
import sys
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {hidden!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Hidden())
from pintle.cli import main
sys.exit(main.main({words!r}))
"""


def hiding(hidden: list[str], *words: str) -> subprocess.CompletedProcess[str]:
    """The plugin where these packages are not installed."""
    code = HIDING.format(hidden=hidden, words=list(words))
    environment = {**os.environ, "KUBECONFIG": "/nowhere"}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)


@pytest.mark.parametrize("package", ["numpy", "pydantic"])
def test_without_its_extra_it_says_what_to_install(package: str) -> None:
    """The exact command; everything else of the plugin goes on without."""
    done = hiding([package], "backtest", BAD)
    assert done.returncode == errors.USAGE
    assert f"which needs {package}, and it is not installed" in done.stderr
    assert "pip install '.[backtest]'" in done.stderr
    assert hiding([package], "backtest", "--help").returncode == errors.DONE


def test_the_extra_is_all_that_it_needs() -> None:
    """Nothing else of the operator has to be installed for a replay."""
    done = hiding(["kopf", "kubernetes", "aiohttp", "orjson", "promql_parser", "cronsim", "yaml"], "backtest", BAD)
    assert done.returncode == errors.DONE, done.stderr
    assert "taken back" in done.stdout
