"""The recorded form: what is written reads back, and what is wrong is told with its line and what to do."""

from __future__ import annotations

import json

import pytest
from pintle.contract import metrics as names
from pintle.core.backtest.reading import RecordingInvalid, read
from pintle.core.backtest.recording import Recording, bin_of, labels_in, scrape_interval
from pintle.core.backtest.writing import csv_lines, json_lines
from pintle.core.judgement.counters import channel_of
from pintle.core.trials import selectors

from tests.unit.core.backtest.worlds import NEW, SETUP, lived


def small() -> Recording:
    made = Recording(SETUP)
    made.add((NEW, "p-0", names.REQUESTS, "result=ok&route=default"), [(1_000_000.25, 3), (1_000_001.25, 5)])
    made.add((NEW, "p-0", names.FEATURE_BIN, bin_of({"feature": "a&b=c, d", "bin": "missing"})), [(1_000_000.25, 0)])
    return made


def test_both_forms_say_the_same() -> None:
    """JSON lines and CSV read back as what was written, names with commas and signs in them too."""
    made = small()
    for lines in (list(json_lines(made)), list(csv_lines(made))):
        found = read(lines)
        assert (found.setup, found.series) == (made.setup, made.series)


def test_a_form_is_one_row_a_sample() -> None:
    """The columns are those of the documentation, in both forms."""
    head, *rows = json_lines(small())
    assert json.loads(head)["kind"] == "Recording"
    assert json.loads(head)["rows"] == len(rows) == 3
    assert list(json.loads(rows[0])) == ["time", "namespace", "deployment", "revision", "pod", "metric", "bin", "value"]
    settings, columns, first, *_ = csv_lines(small())
    assert settings.startswith("# {")
    assert columns == "time,namespace,deployment,revision,pod,metric,bin,value\n"
    assert first == f"1000000.25,n,d,{NEW},p-0,{names.REQUESTS},result=ok&route=default,3\n"


def cut(lines: list[str]) -> list[str]:
    return lines[:-1]


def with_row(**changes: object) -> object:
    def made(lines: list[str]) -> list[str]:
        row = {**json.loads(lines[2]), **changes}
        return [*lines[:2], json.dumps({key: value for key, value in row.items() if value is not None}), *lines[3:]]

    return made


def with_head(**changes: object) -> object:
    def made(lines: list[str]) -> list[str]:
        head = {**json.loads(lines[0]), **changes}
        return [json.dumps({key: value for key, value in head.items() if value is not None}), *lines[1:]]

    return made


WRONG = {
    "nothing": (lambda lines: [], 1, "the file is empty; the file was cut off: copy or record it again"),
    "cut between two lines": (cut, 3, "here the file ends after 2 rows of 3; the file was cut off"),
    "cut in a line": (lambda lines: [*lines[:-1], lines[-1][:40]], 4, "this is no JSON; the file was cut off"),
    "cut in the first line": (lambda lines: [lines[0][:50]], 1, "this is no JSON; the file was cut off"),
    "no settings": (lambda lines: lines[1:], 1, "the first line has to be the settings; docs/backtest.md has the form"),
    "another kind": (with_head(kind="Pod"), 1, "kind has to be Recording"),
    "another version": (with_head(apiVersion="v9"), 1, "apiVersion v9 is not cli.pintle.dev/v1alpha1; use the plugin"),
    "no origin": (with_head(originTime=None), 1, "the settings lack originTime"),
    "no control": (with_head(control=None), 1, "the settings lack control"),
    "no zone": (with_head(originTime="2026-01-01T00:00:00"), 1, "has no time zone; write it with Z or an offset"),
    "one revision": (with_head(control=NEW), 1, "the same revision; name the two that were compared"),
    "an odd phase": (with_head(phase="Soon"), 1, "phase is Soon; write Canary or Guard"),
    "an odd interval": (with_head(scrapeSeconds=0), 1, "scrapeSeconds is 0; write the seconds between two scrapes"),
    "an odd revision": (with_head(tested="a b"), 1, "'a b' is no name of a revision"),
    "settings that are none": (with_head(weights=[3]), 1, "the settings cannot be read"),
    "no rows": (lambda lines: [with_head(rows=None)(lines)[0]], 1, "there are settings and no samples"),  # type: ignore[operator]
    "no JSON": (lambda lines: [*lines[:2], "hello\n", *lines[3:]], 3, "and this is no JSON; docs/backtest.md"),
    "a list": (lambda lines: [*lines[:2], "[]\n", *lines[3:]], 3, "a row has to be a JSON object, and this is none"),
    "no pod": (with_row(pod=None), 3, "pod is missing"),
    "no number": (with_row(value="many"), 3, "value 'many' is no number; write the counter as it was scraped"),
    "a truth": (with_row(value=True), 3, "value 'True' is no number"),
    "no time": (with_row(time="now"), 3, "time 'now' is no time; write unix seconds or 2026"),
    "milliseconds": (with_row(time=1_795_269_600_000), 3, "is no time in seconds; milliseconds have to be divided"),
    "another deployment": (with_row(deployment="web"), 3, "deployment web, where the settings say d; keep one"),
    "an odd bin": (with_row(bin="ok"), 3, "bin 'ok' cannot be read"),
    "a bin that nothing reads": (with_row(bin="reslut=ok"), 3, "nothing reads the label reslut; write labels as name"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_has_a_line_and_a_remedy(what: str) -> None:
    """Nothing is guessed and nothing is left out silently."""
    change, line, says = WRONG[what]
    with pytest.raises(RecordingInvalid) as caught:
        read(change(list(json_lines(small()))))  # type: ignore[operator]
    assert caught.value.line == line
    assert str(caught.value).startswith(f"line {line}: ")
    assert says in str(caught.value)


def test_two_values_of_one_moment_are_told() -> None:
    """With both lines; the same value twice is one sample."""
    lines = list(json_lines(small()))
    again = json.dumps({**json.loads(lines[1]), "value": 99}) + "\n"
    head = json.loads(lines[0])
    with pytest.raises(RecordingInvalid, match="line 5: line 2 has another value of the same series at the same time"):
        read([json.dumps({**head, "rows": 4}), *lines[1:], again])
    assert read([json.dumps({**head, "rows": 4}), *lines[1:], lines[1]]).series == small().series


WRONG_CSV = {
    "no columns": (
        lambda lines: lines[:1],
        2,
        "the columns time, revision, pod, metric, value are missing",
    ),
    "a column less": (lambda lines: [*lines[:2], "1,n,d,r\n", *lines[3:]], 3, "4 cells where there are 8 columns"),
    "cut in a line": (lambda lines: [*lines[:-1], lines[-1][:30]], 5, "the file was cut off"),
    "a cut number": (
        lambda lines: [*lines[:-1], lines[-1][:-1]],
        5,
        "the last line does not end; the file was cut off",
    ),
    "an open quote": (lambda lines: [*lines[:-1], '1,"n'], 5, "this is no CSV (unexpected end of data)"),
}


@pytest.mark.parametrize("what", WRONG_CSV)
def test_what_is_wrong_in_csv_has_a_line_and_a_remedy(what: str) -> None:
    """The line is that of the file, the settings and the names of the columns counted."""
    change, line, says = WRONG_CSV[what]
    with pytest.raises(RecordingInvalid) as caught:
        read(change(list(csv_lines(small()))))
    assert (caught.value.line, says in str(caught.value)) == (line, True), str(caught.value)


def test_a_form_by_hand_needs_little() -> None:
    """Blank lines, any order of columns and of rows, RFC 3339, no namespace; the interval comes from the samples."""
    found = read(
        [
            '# {"apiVersion": "cli.pintle.dev/v1alpha1", "kind": "Recording", "namespace": "n", "deployment": "d", '
            '"tested": "new", "control": "old", "originTime": "2026-01-01T00:00:00Z"}\n',
            "\n",
            "value,metric,bin,pod,revision,time\n",
            "7,model_requests_total,result=ok,p,new,2026-01-01T00:00:30Z\n",
            "5,model_requests_total,result=ok,p,new,2026-01-01T00:00:14.9Z\n",
        ]
    )
    ((times, values),) = found.series.values()
    assert list(values) == [5, 7]
    assert times[1] - found.setup.origin == 30
    assert scrape_interval(found) == 15


@pytest.mark.parametrize("metric", [*selectors.FAST, *selectors.SLOW, *selectors.REFERENCE])
def test_every_label_that_decides_is_kept(metric: str) -> None:
    """Whatever a trial reads of a series is in its bin."""

    asked: set[str] = set()

    class Labels(dict[str, str]):
        def get(self, name: str, default: str = "") -> str:  # type: ignore[override]
            asked.add(name)
            return "missing" if name == "bin" else "0.5"

    labels = Labels()
    channel_of(metric, labels)
    given = {name: labels.get(name) for name in sorted(asked)}
    assert labels_in(bin_of(given)) == given


def test_samples_of_two_series_with_one_name_are_merged_by_time() -> None:
    """A pod that was scraped under two addresses; of one moment the first counts, as in a trial."""
    recording, _ = lived(2)
    key = next(iter(recording.series))
    times, values = (list(part) for part in recording.series[key])
    recording.add(key, [(times[0], -1.0), (times[0] - 5, 7.0), (times[-1] + 1, 9.0)])
    assert [list(part) for part in recording.series[key]] == [
        [times[0] - 5, *times, times[-1] + 1],
        [7.0, *values, 9.0],
    ]
