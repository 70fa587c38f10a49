"""Saved logs of the operator: their decisions, and whether their chains are whole."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pintle.cli import audit
from pintle.controller.telemetry import Decisions
from pintle.core.plan import Key

START = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
KEY = Key("ModelDeployment", "demo", "delays")


def log(process: str, count: int) -> list[bytes]:
    """Lines as a process of the operator writes them: the head of its chain and `count` decisions."""
    stream = io.StringIO()
    decisions = Decisions(stream, process=process)
    for number in range(count):
        fields = {"action": "Step", "subject": f"r{number}", "rule": "errors", "value": 0.0512345, "why": "step"}
        decisions.record(KEY, START + timedelta(seconds=number), fields)
    return [line.encode() + b"\n" for line in stream.getvalue().splitlines()]


def verified(lines: list[bytes], from_middle: bool = False) -> dict[str, Any]:
    return audit.verify(audit.decision_lines(lines), from_middle)


def told(lines: list[bytes]) -> list[tuple[int, str]]:
    return [(item["line"], item["message"]) for item in verified(lines)["breaks"]]


def test_what_the_operator_writes_is_whole() -> None:
    """Two processes in one file, mixed, among other lines, behind prefixes and delivered twice."""
    one, two = log("a", 3), log("b", 2)
    mixed = [line for pair in zip(one, [*two, b"plain text\n"], strict=True) for line in pair]
    mixed += [one[-1], b'{"logger": "kopf", "message": "{"}\n']
    prefixed = [b"2026-01-05T12:00:00Z stdout F " + line for line in mixed]
    report = verified(prefixed)
    assert report["breaks"] == []
    assert report["whole"]
    assert [(chain["lines"], chain["firstSeq"], chain["lastSeq"]) for chain in report["chains"]] == [
        (5, 0, 3),
        (3, 0, 2),
    ]


def test_a_line_that_was_changed_breaks_at_the_next_one() -> None:
    """The number of the line and of the one that is not what was written."""
    lines = log("a", 3)
    lines[1] = lines[1].replace(b'"Step"', b'"Stop"')
    assert told(lines) == [(3, "line 2, which comes before it, is not what was written")]


@pytest.mark.parametrize(
    ("gone", "message"),
    [
        ([2], (3, "number 2 before it is missing (after line 2)")),
        ([1, 2], (2, "2 lines before it are missing (after line 1)")),
        ([0], (1, "the chain begins with number 1: what comes before is not in this file")),
    ],
)
def test_a_line_that_is_missing(gone: list[int], message: tuple[int, str]) -> None:
    """In the middle or at the beginning; at the end it cannot be seen."""
    assert told([line for number, line in enumerate(log("a", 3)) if number not in gone]) == [message]


def test_a_beginning_that_was_rotated_away_can_be_meant() -> None:
    """With --from-middle the rest is verified all the same."""
    lines = log("a", 4)[2:]
    assert verified(lines, from_middle=True)["whole"]
    assert not verified([lines[0], lines[2]], from_middle=True)["whole"]


def test_lines_that_somebody_added() -> None:
    """A second line of the same number, one without a chain, half a line, a head that is none."""
    lines = log("a", 2)
    second = lines[1].replace(b'"Step"', b'"Stop"')
    assert told([*lines, second]) == [(4, "a second line with number 1: line 2 is another one")]
    assert told([*lines, b'{"logger":"pintle.decision","action":"Promote"}\n'])[0][0] == 4
    assert told([*lines[:2], lines[2][:-20]]) == [(3, "this decision line cannot be read")]
    head = lines[0].replace(b'"previous":""', b'"previous":"00"')
    assert (1, "the first line of a chain names a line before it") in told([head])


def test_decisions_as_a_table() -> None:
    """Only what was decided, of one object where asked."""
    found = audit.decisions(audit.decision_lines(log("a", 2)), "delays")
    assert [item["subject"] for item in found] == ["r0", "r1"]
    assert "chain" not in found[0]
    assert "0.05123" in audit.table_lines(found)[1]
    assert audit.decisions(audit.decision_lines(log("a", 2)), "other") == []
