"""`diff`: two versions side by side: data, code, parameters, figures and gates (slices among them)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pintle.cli.facts import kept, model_of, name_of, namespace_of
from pintle.cli.kubectl import Obj
from pintle.cli.text import bold, dim, judged, table

_VALUE = re.compile(r"^(?P<what>.*?) = (?P<value>-?[0-9][0-9.]*)")
_FACTS = {
    "code": ("codeDigest",),
    "image": ("imageID", "image"),
    "identity": ("identity",),
    "definition": ("definition",),
    "seed": ("seed",),
    "trainingJob": ("trainingJob",),
    "run": ("run",),
    "trigger": ("trigger",),
}


def difference(old: Obj, new: Obj) -> dict[str, Any]:
    """Both values of everything, and whether they are the same: `{"data": [{"name", "old", "new", "same"}], ...}`."""
    return {
        "namespace": namespace_of(old),
        "model": model_of(old),
        "old": name_of(old),
        "new": name_of(new),
        "data": _pairs(_datasets(old), _datasets(new)),
        "code": _pairs(_code(old), _code(new)),
        "parameters": _pairs(_parameters(old), _parameters(new)),
        "metrics": [_with_change(pair) for pair in _pairs(_metrics(old), _metrics(new))],
        "gates": [_with_change(pair, "value") for pair in _pairs(_gates(old), _gates(new))],
    }


def _pairs(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[dict[str, Any]]:
    """By name, in the order of the new one, with what is gone at the end."""
    names = [*new, *(name for name in old if name not in new)]
    return [
        {"name": name, **kept(old=old.get(name), new=new.get(name)), "same": old.get(name) == new.get(name)}
        for name in names
    ]


def _datasets(obj: Obj) -> dict[str, Any]:
    return {
        str(item["name"]): {key: value for key, value in item.items() if key != "name"}
        for item in obj["spec"].get("datasets") or ()
    }


def _code(obj: Obj) -> dict[str, Any]:
    source = obj["spec"].get("source") or {}
    found = {
        name: next((source[key] for key in keys if source.get(key) is not None), None) for name, keys in _FACTS.items()
    }
    found["format"] = obj["spec"].get("modelFormat")
    return {name: value for name, value in found.items() if value is not None}


def _parameters(obj: Obj) -> dict[str, Any]:
    return {item["name"]: item["value"] for item in (obj["spec"].get("source") or {}).get("parameters") or ()}


def _metrics(obj: Obj) -> dict[str, Any]:
    return {item["name"]: item["value"] for item in obj["spec"].get("metrics") or ()}


def _gates(obj: Obj) -> dict[str, Any]:
    """By what is judged, the slice included: `auc by carrier=AA against Baseline`."""
    found: dict[str, Any] = {}
    for gate in obj["spec"].get("gates") or ():
        match = _VALUE.match(gate.get("message", ""))
        what = match["what"] if match else str(gate["metric"])
        found[what] = kept(
            verdict=gate["verdict"], value=match["value"] if match else None, message=gate.get("message")
        )
    return found


def _with_change(pair: dict[str, Any], key: str = "") -> dict[str, Any]:
    """The pair with new minus old, where both are numbers."""
    old, new = ((pair.get(side) or {}).get(key) if key else pair.get(side) for side in ("old", "new"))
    try:
        return {**pair, "change": f"{float(str(new)) - float(str(old)):+.6g}"}
    except ValueError:
        return pair


# Lines ----------------------------------------------------------------------------------------------------------------


def lines(view: Mapping[str, Any]) -> list[str]:
    """A section for each kind of difference; what is the same in both is told in few words."""
    made = [f"{bold(view['model'])}: {view['old']} and {view['new']} {dim('in namespace ' + view['namespace'])}"]
    header = ("", view["old"], view["new"], "CHANGE")
    for title, key, cells in (
        ("Data", "data", _data_cells),
        ("Code", "code", _code_cells),
        ("Parameters", "parameters", _plain_cells),
        ("Metrics", "metrics", _plain_cells),
        ("Gates", "gates", _gate_cells),
    ):
        pairs = view[key]
        told = pairs if key in ("metrics", "gates") else [pair for pair in pairs if not pair["same"]]
        same = len(pairs) - len(told)
        note = dim(f" {same} the same") if same else ""
        if told:
            made += ["", bold(title) + note, *table(header, [(pair["name"], *cells(pair)) for pair in told], "  ")]
        elif pairs:
            made += ["", f"{bold(title)} {dim('the same')}"]
    return made


def _plain_cells(pair: Mapping[str, Any]) -> tuple[str, str, str]:
    return _shown(pair.get("old")), _shown(pair.get("new")), pair.get("change", "")


def _code_cells(pair: Mapping[str, Any]) -> tuple[str, str, str]:
    return _short(_shown(pair.get("old"))), _short(_shown(pair.get("new"))), ""


def _shown(value: Any) -> str:
    return "-" if value is None else str(value)


def _short(text: str) -> str:
    """A digest by its beginning; its whole length tells a person nothing more."""
    return re.sub(r"sha256:([0-9a-f]{12})[0-9a-f]{52}", r"sha256:\1…", text)


def _data_cells(pair: Mapping[str, Any]) -> tuple[str, str, str]:
    return _dataset(pair.get("old")), _dataset(pair.get("new")), ""


def _dataset(item: Mapping[str, Any] | None) -> str:
    if item is None:
        return "-"
    span = " to ".join(item[key] for key in ("from", "through") if item.get(key))
    rows = f"{item['rows']:,} rows" if item.get("rows") is not None else ""
    return ", ".join(part for part in (item.get("role", ""), span, rows, _short(item.get("digest", ""))) if part)


def _gate_cells(pair: Mapping[str, Any]) -> tuple[str, str, str]:
    def cell(gate: Mapping[str, Any] | None) -> str:
        return "-" if gate is None else f"{judged(gate['verdict'])} {gate.get('value', '')}".rstrip()

    return cell(pair.get("old")), cell(pair.get("new")), pair.get("change", "")
