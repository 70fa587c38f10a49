"""Recording rules: what the operator would ask of raw counters at every look, computed once by Prometheus.

`charts/pintle/rules/recording.yaml` is `text()`, kept so by a test. The operator uses the rules where it finds them.
"""

from __future__ import annotations

from pintle.contract import metrics
from pintle.contract.psi import Z
from pintle.core.watching.queries import IDENTITY, growth, selector
from pintle.core.watching.reference import TAILS

WINDOWS = {"1h": 3600, "6h": 21600, "1d": 86400}
"""The default windows of spec.monitoring.drift."""
INTERVALS = {"1h": "1m", "6h": "4m", "1d": "4m"}
"""A value is to be seen for five minutes only: no longer than that from one evaluation to the next."""
REFERENCE_RATIO = "pintle:feature_reference_ratio"
REFERENCE_ROWS = "pintle:feature_reference_rows"
FEATURE_BIN_ROWS = "pintle:feature_bin_rows"
FEATURE_ROWS = "pintle:feature_rows"
FREEDOM = "pintle:feature_drift_freedom"
NOISE = "pintle:feature_drift_noise"
PSI = "pintle:feature_drift_psi"
PSI_LOW = "pintle:feature_drift_psi_low"
PREDICTION_BIN_ROWS = "pintle:prediction_bin_rows"

_FEATURE = f"{IDENTITY}, profile, feature"
_BIN = f"{_FEATURE}, bin"
_OUTPUT = f"{IDENTITY}, profile, output, bin"

COMMAND = "python -c 'from pintle.core.watching import rules; print(rules.text(), end=\"\")'"


def recorded(revisions: tuple[str, ...], seconds: int, share: float) -> str | None:
    """The same as `queries.bins` from recorded series, but only of features that may drift; None for other windows.

    Those are the ones whose lower end is above 0, or with a share of unseen or missing values above `share`. A sample
    without a bin has the rows of the window: what is not near is not listed, and is quiet if these are enough.
    """
    window = next((name for name, length in WINDOWS.items() if length == seconds), None)
    if window is None:
        return None
    where = f'{{window="{window}",revision=~"{"|".join(revisions)}"}}'
    tails = f'{{window="{window}",revision=~"{"|".join(revisions)}",bin=~"{"|".join(TAILS)}"}}'
    near = f"{PSI_LOW}{where} > 0"
    tail = f"{FEATURE_BIN_ROWS}{tails} / on ({_FEATURE}) group_left () {FEATURE_ROWS}{where} > {share:g}"
    return (
        f"({FEATURE_BIN_ROWS}{where} and on ({_FEATURE}) (({near}) or ({tail})))"
        f" or {PREDICTION_BIN_ROWS}{where} or max by ({IDENTITY}, profile) ({FEATURE_ROWS}{where})"
    )


def expressions(window: str) -> dict[str, str]:
    """Recorded series of one window, in the order in which they need each other (contract.psi has the formula)."""
    seconds = WINDOWS[window]
    here = f'{{window="{window}"}}'
    live, rows = f"{FEATURE_BIN_ROWS}{here}", f"{FEATURE_ROWS}{here}"
    # k: half a pseudo-row for each bin.
    pseudo = f"count by ({_FEATURE}) ({REFERENCE_RATIO}) / 2"
    share = (
        f"(({live} + on ({_BIN}) {REFERENCE_RATIO} * on ({_FEATURE}) group_left () ({pseudo}))"
        f" / on ({_FEATURE}) group_left () ({rows} + on ({_FEATURE}) ({pseudo})))"
    )
    # (count + 0.5) of a bin with training rows is 1.5 at least.
    occupied = f"{REFERENCE_RATIO} * on ({_FEATURE}) group_left () ({REFERENCE_ROWS} + on ({_FEATURE}) ({pseudo})) > 1"
    difference = f"({PSI}{here} - {FREEDOM}{here} * {NOISE}{here})"
    return {
        FEATURE_BIN_ROWS: f"sum by ({_BIN}) ({_growth(metrics.FEATURE_BIN, seconds)}) or {REFERENCE_RATIO} * 0",
        PREDICTION_BIN_ROWS: f"sum by ({_OUTPUT}) ({_growth(metrics.PREDICTION_BIN, seconds)})",
        FEATURE_ROWS: f"sum by ({_FEATURE}) ({live})",
        FREEDOM: f"count by ({_FEATURE}) (({live} > 0) or on ({_BIN}) ({occupied})) - 1",
        NOISE: f"1 / ({rows} > 0) + on ({_FEATURE}) 1 / {REFERENCE_ROWS}",
        PSI: f"sum by ({_FEATURE}) (({share} - on ({_BIN}) {REFERENCE_RATIO})"
        f" * on ({_BIN}) ln({share} / on ({_BIN}) {REFERENCE_RATIO}))",
        PSI_LOW: f"{difference} - {Z:g} * {NOISE}{here}"
        f" * sqrt(2 * {FREEDOM}{here} + 4 * clamp_min({difference}, 0) / {NOISE}{here})",
    }


def text() -> str:
    """The rule file, YAML."""
    head = [
        f"# Made by: {COMMAND}",
        "# Recording rules for drift: rows by bin, PSI and its lower end for the default windows. Any Prometheus can",
        "# load this file (rule_files); docs/watching.md says what each series is.",
        "groups:",
        "  - name: pintle-reference",
        "    interval: 1m",
        "    rules:",
        *_rule(REFERENCE_RATIO, f"max by ({_BIN}) ({metrics.FEATURE_REFERENCE_RATIO})"),
        *_rule(REFERENCE_ROWS, f"max by ({_FEATURE}) ({metrics.FEATURE_REFERENCE_SAMPLES})"),
    ]
    for window in WINDOWS:
        head += [f"  - name: pintle-drift-{window}", f"    interval: {INTERVALS[window]}", "    rules:"]
        for record, expression in expressions(window).items():
            head += _rule(record, expression, window)
    return "\n".join(head) + "\n"


def _growth(metric: str, seconds: int) -> str:
    return growth(selector((metric,), ()), seconds)


def _rule(record: str, expression: str, window: str = "") -> list[str]:
    lines = [f"      - record: {record}", "        expr: >-", f"          {expression}"]
    return [*lines, "        labels:", f"          window: {window}"] if window else lines
