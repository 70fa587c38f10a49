"""`python -m pintle.api.generate [--check]`: writes what is made from the models.

`crds/*.yaml`, `charts/pintle-crds/templates/*.yaml`, `docs/reference/api.md` and `docs/reference/reasons.md`. With
--check nothing is written; exit code 1 and a list of files says what is out of date. A development task: it needs
PyYAML, which the operator does not.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import yaml

from pintle.api import reference
from pintle.api.crd import KINDS, crd_of

HEADER = "# Made by `python -m pintle.api.generate` from operator/pintle/api; do not edit.\n"
# Helm must never delete a CRD: every object of its kind would go with it, in all namespaces.
KEEP = {"helm.sh/resource-policy": "keep"}


class _Dumper(yaml.SafeDumper):
    """Indents lists below their key and writes repeated parts out: structural schemas have no anchors."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        return True


def to_yaml(value: dict[str, Any]) -> str:
    """The object as YAML, keys in the order given."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)


def files() -> dict[str, str]:
    """Path below the root of the repository -> text."""
    made = {"docs/reference/api.md": reference.api_page(), "docs/reference/reasons.md": reference.reasons_page()}
    for kind in KINDS:
        made[f"crds/{kind.crd_name}.yaml"] = HEADER + to_yaml(crd_of(kind))
        chart = HEADER + to_yaml(crd_of(kind, annotations=KEEP))
        if "{{" in chart:
            raise ValueError(f"{kind.kind}: Helm would take a {{{{ in its schema for a template")
        made[f"charts/pintle-crds/templates/{kind.crd_name}.yaml"] = chart
    return made


def stale(root: Path) -> list[str]:
    """Which files differ from what the models say."""
    return [name for name, text in files().items() if not (root / name).is_file() or (root / name).read_text() != text]


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m pintle.api.generate", description="Write CRDs and reference pages")
    parser.add_argument("--check", action="store_true", help="write nothing; fail where a file is out of date")
    parser.add_argument("--root", type=Path, default=Path(__file__).parents[3], help="root of the repository")
    options = parser.parse_args(arguments)
    outdated = stale(options.root)
    if options.check:
        for name in outdated:
            print(f"{name} is out of date: run `python -m pintle.api.generate`", file=sys.stderr)
        return 1 if outdated else 0
    made = files()
    for name in outdated:
        path = options.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(made[name])
        print(f"wrote {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
