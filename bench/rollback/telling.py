"""What is told of breaches: the times of each, in seconds, by the same names wherever they are measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.report import Report

NAMES = {
    "visible": "first bad answer -> visible in Prometheus (t0)",
    "write": "t0 -> route write",
    "told": "t0 -> the API server tells of it",
    "t1": "t0 -> last request on the canary (t1)",
    "whole": "first bad answer -> last request on the canary",
}


def tell_times(report: Report, samples: Sequence[Mapping[str, float]], note: str) -> None:
    """A line for each of NAMES that was measured, and its 99th percentile; nothing without samples."""
    for key, name in NAMES.items():
        if samples and key in samples[0]:
            report.add_with_tail(name, "s", [sample[key] for sample in samples], note)
