"""`audit`: the operator's decision lines out of a saved log: as a table, and whether the chain of hashes is whole.

Each process writes a chain of its own: `chain` names it, `seq` counts its lines from 0, and `previous` is the SHA-256
of the line before. Lines of several processes may stand in one file in any order, among other lines and behind prefixes
of log collectors. What is missing at the very end of a chain cannot be seen.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Any

from pintle.cli.figures import comparison
from pintle.cli.text import bad, bold, dim, good, table

LOGGER = "pintle.decision"


@dataclass(frozen=True)
class Line:
    """A decision line: where it stands in the file, its bytes, and what it says ({} where it cannot be read)."""

    number: int
    text: bytes
    says: Mapping[str, Any]

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text).hexdigest()


def decision_lines(file: Iterable[bytes]) -> Iterator[Line]:
    """The decision lines of a log; all others are passed over."""
    for number, raw in enumerate(file, start=1):
        start = raw.find(b"{")
        text = raw[start:].rstrip(b"\r\n") if start >= 0 else b""
        try:
            says = json.loads(text) if text else {}
        except ValueError:
            # Half a line of ours is a break; of somebody else's log it is nothing.
            if f'"{LOGGER}"'.encode() in text:
                yield Line(number, text, {})
            continue
        if isinstance(says, dict) and says.get("logger") == LOGGER:
            yield Line(number, text, says)


def verify(lines: Iterable[Line], from_middle: bool = False) -> dict[str, Any]:
    """`{"whole": bool, "chains": [...], "breaks": [{"line", "chain", "message"}]}`, breaks in the order of the file.

    from_middle: a chain whose beginning is not in the file (an older one was rotated away) is no break.
    """
    chains: dict[str, list[Line]] = defaultdict(list)
    breaks: list[dict[str, Any]] = []
    for line in lines:
        if isinstance(line.says.get("chain"), str) and isinstance(line.says.get("seq"), int):
            chains[line.says["chain"]].append(line)
        else:
            breaks.append({"line": line.number, "chain": "", "message": "this decision line cannot be read"})
    told = []
    for name, found in chains.items():
        ordered = sorted(found, key=lambda line: (line.says["seq"], line.number))
        broken = list(_breaks(ordered, from_middle))
        breaks += [{"line": line, "chain": name, "message": message} for line, message in broken]
        told.append(
            {
                "chain": name,
                "lines": len(found),
                "firstSeq": ordered[0].says["seq"],
                "lastSeq": ordered[-1].says["seq"],
                "firstTime": ordered[0].says.get("time", ""),
                "lastTime": ordered[-1].says.get("time", ""),
                "whole": not broken,
            }
        )
    return {"whole": not breaks, "chains": told, "breaks": sorted(breaks, key=lambda item: int(item["line"]))}


def _breaks(ordered: list[Line], from_middle: bool) -> Iterator[tuple[int, str]]:
    """(line number, what is wrong there) in one chain; after a break the line that is there counts."""
    first = ordered[0]
    if first.says["seq"] != 0 and not from_middle:
        yield first.number, f"the chain begins with number {first.says['seq']}: what comes before is not in this file"
    if first.says["seq"] == 0 and first.says.get("previous") != "":
        yield first.number, "the first line of a chain names a line before it"
    groups = [list(group) for _, group in groupby(ordered, key=lambda line: int(line.says["seq"]))]
    for group in groups:
        # A collector may deliver a line twice; another line with the same number is none of ours.
        for other in group[1:]:
            if other.text != group[0].text:
                number = other.says["seq"]
                yield other.number, f"a second line with number {number}: line {group[0].number} is another one"
    for before, group in pairwise(groups):
        line, gap = group[0], group[0].says["seq"] - before[0].says["seq"]
        if gap > 1:
            missing = f"number {before[0].says['seq'] + 1}" if gap == 2 else f"{gap - 1} lines"
            are = "is" if gap == 2 else "are"
            yield line.number, f"{missing} before it {are} missing (after line {before[0].number})"
        elif line.says.get("previous") not in {one.sha256 for one in before}:
            yield line.number, f"line {before[0].number}, which comes before it, is not what was written"


def verdict_lines(report: Mapping[str, Any]) -> list[str]:
    """A line for each break, then what was looked at."""
    made = [
        f"line {item['line']}: {bad('broken')}: {item['message']} {dim(item['chain'])}".rstrip()
        for item in report["breaks"]
    ]
    rows = [
        (item["chain"], item["lines"], f"{item['firstSeq']}-{item['lastSeq']}", item["firstTime"], item["lastTime"],
         good("whole") if item["whole"] else bad("broken"))
        for item in report["chains"]
    ]  # fmt: skip
    made += table(("CHAIN", "LINES", "NUMBERS", "FROM", "TO", ""), rows)
    return made or ["There is no decision line in this file."]


def decisions(lines: Iterable[Line], of: str = "") -> list[dict[str, Any]]:
    """What was decided, oldest first, without what only the chain needs; `of` picks the objects of one name."""
    return [
        {key: value for key, value in line.says.items() if key not in ("level", "logger", "chain", "seq", "previous")}
        for line in lines
        if line.says.get("action") and (not of or line.says.get("name") == of)
    ]


def table_lines(found: Iterable[Mapping[str, Any]]) -> list[str]:
    """A table of decisions."""
    header = ("TIME", "NAMESPACE", "NAME", "ACTION", "SUBJECT", "RULE", "FIGURES", "BY", "WHY")
    rows = [
        (
            item.get("time", ""),
            item.get("namespace", ""),
            item.get("name", ""),
            bold(str(item["action"])),
            item.get("subject", ""),
            item.get("rule", ""),
            comparison(_rounded(item)),
            item.get("by", ""),
            _text(item.get("why", "")),
        )
        for item in found
    ]
    return table(header, rows) or ["There is no decision in this file."]


def _rounded(item: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: f"{value:.4g}" if isinstance(value, float) and "ows" not in key else value for key, value in item.items()
    }


def _text(why: Any) -> str:
    return "; ".join(str(part) for part in why) if isinstance(why, list) else str(why)
