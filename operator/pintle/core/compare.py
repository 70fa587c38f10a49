"""Whether an observed object already is what we want: what we say must be there; what we do not say is not ours."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

_QUANTITY = re.compile(r"^([+-]?[0-9]*\.?[0-9]+)(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|[eE][+-]?[0-9]+)?$")
_DECIMAL = {
    suffix: Decimal(10) ** power for suffix, power in zip("numkMGTPE", (-9, -6, -3, 3, 6, 9, 12, 15, 18), strict=True)
}
_BINARY = {f"{suffix}i": Decimal(1024) ** power for power, suffix in enumerate("KMGTPE", start=1)}
# The API server rewrites quantities ("1000m" to "1"); they stand only below these keys.
_QUANTITIES = ("requests", "limits")


def covers(observed: Any, desired: Any, quantity: bool = False) -> bool:
    """True when applying `desired` would change nothing.

    Maps are compared by the keys of `desired`, lists element by element, quantities by value. Empty equals absent.
    """
    # Leaves first and plain types before abstract ones: asking for those takes most of the time here.
    if desired is None or desired == "":
        return observed is None or observed == ""
    if isinstance(desired, (str, int, float)):
        if quantity and isinstance(observed, str) and isinstance(desired, str):
            return amount(observed) == amount(desired)
        return bool(observed == desired)
    if isinstance(desired, (dict, Mapping)):
        have = observed if isinstance(observed, (dict, Mapping)) else {}
        if not desired:
            return not have
        return all(covers(have.get(key), value, quantity or key in _QUANTITIES) for key, value in desired.items())
    if isinstance(desired, (list, Sequence)):
        items = observed if isinstance(observed, Sequence) and not isinstance(observed, str) else ()
        return len(items) == len(desired) and all(
            covers(have, want, quantity) for have, want in zip(items, desired, strict=True)
        )
    return bool(observed == desired)


def amount(quantity: str) -> Decimal | str:
    """The value of a Kubernetes quantity; the text itself where it is none."""
    found = _QUANTITY.match(quantity.strip())
    if found is None:
        return quantity
    number, suffix = Decimal(found[1]), found[2] or ""
    if suffix[:1] in ("e", "E") and len(suffix) > 1 and suffix != "Ei":
        return number.scaleb(int(suffix[1:]))
    return number * (_BINARY.get(suffix) or _DECIMAL.get(suffix) or 1)
