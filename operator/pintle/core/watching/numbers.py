"""Whole numbers in a label, as a regular expression: Prometheus compares labels as text only."""

from __future__ import annotations


def between(low: int, high: int) -> str:
    """A regular expression that matches the decimal numbers from `low` to `high`, both included; 0 <= low <= high."""
    found: list[str] = []
    while low <= high:
        top = min(high, 10 ** len(str(low)) - 1)
        found += _between(str(low), str(top))
        low = top + 1
    return "|".join(found)


def _between(low: str, high: str) -> list[str]:
    """The same for two numbers of as many digits."""
    if not low:
        return [""]
    first, last = int(low[0]), int(high[0])
    zeros, nines = "0" * (len(low) - 1), "9" * (len(low) - 1)
    if first == last:
        return [low[0] + rest for rest in _between(low[1:], high[1:])]
    found = []
    if low[1:] != zeros:
        found += [low[0] + rest for rest in _between(low[1:], nines)]
        first += 1
    upper = high[1:] != nines
    last -= upper
    if first <= last:
        digit = str(first) if first == last else f"[{first}-{last}]"
        found.append(digit + "[0-9]" * len(zeros))
    if upper:
        found += [high[0] + rest for rest in _between(zeros, high[1:])]
    return found
