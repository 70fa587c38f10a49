"""Whatever was recorded reads back as it was, in both forms; a file that lacks lines is never taken for a whole one."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pintle.core.backtest.reading import RecordingInvalid, read
from pintle.core.backtest.recording import GUARD, KEPT_LABELS, Recording, Setup, Shares, bin_of
from pintle.core.backtest.writing import csv_lines, json_lines

TEXT = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\u2028\u2029"), min_size=1, max_size=12
)
NAMES = st.from_regex(r"[a-z0-9]{8}", fullmatch=True)
MOMENTS = st.integers(1_000_000_000_000, 2_000_000_000_000).map(lambda ms: ms / 1000)
VALUES = st.floats(0, 1e15) | st.integers(0, 10**15).map(float)
BINS = st.dictionaries(st.sampled_from(KEPT_LABELS), TEXT, max_size=4).map(bin_of)
SAMPLES = st.dictionaries(MOMENTS, VALUES, min_size=1, max_size=6).map(lambda found: sorted(found.items()))


@st.composite
def recordings(draw: st.DrawFn) -> Recording:
    tested, control = draw(st.lists(NAMES, min_size=2, max_size=2, unique=True))
    setup = Setup(
        namespace=draw(NAMES),
        deployment=draw(NAMES),
        tested=tested,
        control=control,
        origin=draw(MOMENTS),
        phase=draw(st.sampled_from(["Canary", GUARD])),
        until=draw(st.none() | MOMENTS),
        scrape_seconds=draw(st.none() | st.floats(0.1, 300)),
        rollout={"sensitivity": "Fast", "metrics": [{"name": draw(TEXT), "dryRun": True}]},
        guard=draw(st.none() | st.just({"seconds": 5})),
        gateway=draw(st.booleans()),
        versions={tested: draw(st.integers(1, 99))},
        weights=(Shares(draw(MOMENTS), {tested: 10, control: 90}),),
        decided=({"action": "Step", "why": draw(TEXT)},),
    )
    made = Recording(setup)
    for _ in range(draw(st.integers(1, 5))):
        key = draw(st.sampled_from([tested, control])), draw(TEXT), draw(TEXT), draw(BINS)
        made.add(key, draw(SAMPLES))
    return made


@settings(max_examples=40, deadline=None)
@given(recordings())
def test_what_was_written_reads_back(recording: Recording) -> None:
    """Settings and samples, to the last bit."""
    for lines in (json_lines(recording), csv_lines(recording)):
        found = read(list(lines))
        assert found.setup == recording.setup
        assert found.series == recording.series


@settings(max_examples=40, deadline=None)
@given(recordings(), st.data())
def test_a_file_that_was_cut_off_is_refused(recording: Recording, data: st.DataObject) -> None:
    """Wherever it was cut, between lines or within one: never with an error of ours, always with a line."""
    text = "".join(data.draw(st.sampled_from([json_lines, csv_lines]))(recording))
    lines = text[: data.draw(st.integers(0, len(text) - 1))].splitlines(keepends=True)
    with pytest.raises(RecordingInvalid) as caught:
        read(lines)
    assert 1 <= caught.value.line <= len(lines) + 1


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    """With a sentence, never with another exception."""
    with pytest.raises(RecordingInvalid):
        read(text.splitlines(keepends=True))
