"""Cells of a table: the same whoever simulates them and in whatever order, and kept once they are there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.judgement import __main__ as main
from bench.judgement import canary, cells
from bench.judgement.cells import Findings, Job, Line, OutOfTime, Runner, Store, Table, Words
from bench.judgement.engine import Rule
from bench.judgement.guard import gross
from bench.judgement.streams import Arms, Scene
from bench.judgement.table import Printed, Share, interval

CALLS: list[int] = []


def drawn(low: float, count: int, rng: np.random.Generator) -> Findings:
    """Numbers by which trials are told apart."""
    CALLS.append(count)
    return {"drawn": (rng.uniform(low, low + 1, count).tolist(), [1.0] * count)}


def runner(folder: Path | None, trials: int = 25, processes: int = 1, code: str = "a") -> Runner:
    return Runner(trials, Store(folder, code), processes=processes)


def test_what_is_there_is_not_simulated_again(tmp_path: Path) -> None:
    """A second run has the same findings without a call; more trials only add chunks; other code begins anew."""
    job = Job(drawn, (0.0,), chunk=10)
    CALLS.clear()
    first = runner(tmp_path).findings([job], seed=1)
    assert CALLS == [10, 10, 5]
    assert runner(tmp_path).findings([job], seed=1) == first
    assert len(CALLS) == 3
    more = runner(tmp_path, trials=30).findings([job], seed=1)[job.key]["drawn"][0]
    assert more[:20] == first[job.key]["drawn"][0][:20]
    assert CALLS[3:] == [10]
    runner(tmp_path, code="b").findings([job], seed=1)
    assert CALLS[4:] == [10, 10, 5]


def test_cores_and_order_change_nothing() -> None:
    """Chunks draw from seeds of their own; jobs and seeds are independent of each other."""
    jobs = [Job(drawn, (0.0,), chunk=10), Job(drawn, (5.0,), chunk=10)]
    one = runner(None).findings(jobs, seed=1)
    many = runner(None, processes=2).findings(list(reversed(jobs)), seed=1)
    assert one == many
    first, second = (np.array(one[job.key]["drawn"][0]) for job in jobs)
    assert not np.isin(np.round(second - 5, 9), np.round(first, 9)).any()
    assert runner(None).findings(jobs, seed=2) != one


def test_a_run_that_is_out_of_time_goes_on(tmp_path: Path) -> None:
    """What was finished is kept; the next run makes the rest."""
    job = Job(drawn, (0.0,), chunk=10)
    CALLS.clear()
    stopped = Runner(25, Store(tmp_path, "a"), seconds=1e9, processes=1)
    stopped._work = lambda chunks: iter([(chunks[0], cells.simulate(chunks[0]))])  # type: ignore[method-assign]
    with pytest.raises(AssertionError):
        stopped.findings([job], seed=1)
    with pytest.raises(OutOfTime):
        Runner(25, Store(tmp_path, "a"), seconds=-1.0, processes=1).findings([job], seed=1)
    assert CALLS == [10]
    assert runner(tmp_path).findings([job], seed=1) == runner(None).findings([job], seed=1)


@pytest.mark.parametrize(("hits", "low", "high"), [(0, 0.0, 0.0370), (5, 0.0215, 0.1118), (50, 0.4038, 0.5962)])
def test_intervals_are_wilsons(hits: int, low: float, high: float) -> None:
    """Of 100 trials; as tables have it."""
    assert interval(hits, 100) == pytest.approx((low, high), abs=1e-4)


def test_shares_have_medians_only_where_half_were_found() -> None:
    found = Share.of([10.0, 20.0, np.inf, 30.0], [1.0, 2.0, 0.0, 3.0])
    assert (found.share, found.seconds, found.rows) == (0.75, 25.0, 2.0)
    assert Share.of([10.0, np.inf, np.inf], [1.0, 0.0, 0.0]).seconds is None
    assert Share(0.9996, 0.998, 1.0, 2000).text() == "1.00 (.998-1.00)"
    assert Share(0.0015, 0.0005, 0.0044, 2000).text() == ".0015 (.0005-.0044)"


def test_gross_failure_needs_no_control() -> None:
    """60 % errors are surely above a quarter within a minute, 20 % never, however long it takes."""
    rows = np.full((1800, 2), 20.0)
    found = gross(Arms(rows, rows * np.array([0.6, 0.2])), 0.01)
    assert found[0] <= 60
    assert np.isinf(found[1])


def test_ours_and_the_others_see_the_same_stream() -> None:
    """A canary that fails everything is found by all; ours is the first, and two runs are the same."""
    job = canary.cell(Scene(100, 1.0, 0.0), Rule(grid=15))
    found = cells.simulate(next(cells.chunks_of(job, 3, 1)))
    for column in canary.COLUMNS:
        assert np.isfinite(found[f"{column} failed"][0]).all(), column
    assert max(found["Pintle failed"][0]) <= 30
    assert cells.simulate(next(cells.chunks_of(job, 3, 1))) == found


@pytest.mark.parametrize("part", ["canary", "earlier", "presets", "levels", "robust", "guard", "drift"])
def test_every_line_picks_what_its_job_finds(part: str) -> None:
    """Columns are those of the table; jobs are told apart by what they simulate."""
    for table in main.PARTS[part]():
        assert isinstance(table, Table)
        assert len({line.name for line in table.lines}) == len(table.lines)
        for line in table.lines:
            assert {column for column, _ in line.picks} <= set(table.columns)
            assert "object at 0x" not in line.job.key


def test_a_table_is_printed_with_its_goal(capsys: pytest.CaptureFixture[str]) -> None:
    """One line for each row: ours, ours with another seed, the others, the goal."""
    table = Table("A table", ("Pintle", "other"), (Line("row", Job(drawn, (1.0,)), (("Pintle", "drawn"),), "<= 1"),))
    printed = Printed("title", (1, 2))
    printed.show(table, runner(None, trials=4))
    printed.show(Words("words", lambda: ["said"]), runner(None))
    said = capsys.readouterr().out
    assert "seed 2" in said
    assert said.count("1.00 (.510-1.00)") == 2
    assert "- " in said
    assert "<= 1" in said
    assert "said" in said
