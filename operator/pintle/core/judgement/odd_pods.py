"""The pod of a revision that fails otherwise than its others do: it is named, and decides nothing.

A node that is broken, or an exporter that does not count, looks like a difference of revisions; who reads the reason of
a rollback has to see that it comes from one pod.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pintle.core.judgement.samples import FloatArray

LEAST_ROWS = 20
"""Of a pod, to be compared with the others."""
LEAST_BAD = 5
"""Of all pods together: with fewer nothing stands out."""
NORMAL_QUANTILE = 3.7190
"""Of 1 - 1e-4: so rarely one look at like pods names one."""


def odd_pod(pods: Mapping[str, FloatArray], dispersion: float = 1.0) -> str:
    """Words about the pod that stands out most, "" where none does; `pods`: name -> (bad, requests) [2].

    Pearson's chi square of the pods' shares, divided by the dispersion of outcomes that come in bursts.
    """
    known = {name: counts for name, counts in pods.items() if counts[1] >= LEAST_ROWS}
    if len(known) < 2:
        return ""
    bad, rows = np.array(list(known.values())).T
    share = bad.sum() / rows.sum()
    if bad.sum() < LEAST_BAD or share >= 1:
        return ""
    squares = (bad - rows * share) ** 2 / (rows * share * (1 - share))
    if squares.sum() / max(1.0, dispersion) < _limit(len(known) - 1):
        return ""
    # Of two alike numbers of requests both stand out as much: the one that fails is meant.
    odd = max(range(len(bad)), key=lambda place: (round(float(squares[place]), 6), bad[place]))
    # The end of a pod's name tells it from its siblings, and reasons are short.
    return f"pod {list(known)[odd].rpartition('-')[2]} {bad[odd]:.0f} of {rows[odd]:.0f}"


def _limit(freedom: int) -> float:
    """The quantile of chi square (Wilson and Hilferty's approximation)."""
    spread = 2 / (9 * freedom)
    return float(freedom * (1 - spread + NORMAL_QUANTILE * spread**0.5) ** 3)
