"""A quantity as people write it (``100ms``, ``64MiB``, ``85%``, ``10fps``) to a float in base units."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Literal

Kind = Literal["duration", "period", "bytes", "rate", "frequency", "bandwidth", "share", "number", "figure"]
"""A ``figure`` is a share in percent or a plain number: what a metric of yet unknown kind takes."""

# SI prefixes are powers of 1000, IEC 80000-13 prefixes (Ki, Mi, Gi) powers of 1024.
UNITS: Mapping[Kind, Mapping[str, tuple[int, int]]] = {
    "duration": {
        "ns": (1, -9), "us": (1, -6), "µs": (1, -6), "ms": (1, -3), "s": (1, 0), "min": (60, 0), "h": (3600, 0),
    },
    # Not for latencies: 100m would pass for 100ms there.
    "period": {"s": (1, 0), "m": (60, 0), "min": (60, 0), "h": (3600, 0)},
    "bytes": {
        "B": (1, 0), "kB": (1, 3), "KB": (1, 3), "MB": (1, 6), "GB": (1, 9),
        "KiB": (2**10, 0), "MiB": (2**20, 0), "GiB": (2**30, 0),
    },
    "rate": {"fps": (1, 0), "Hz": (1, 0), "/s": (1, 0)},
    "frequency": {"kHz": (1, 3), "MHz": (1, 6), "GHz": (1, 9), "Hz": (1, 0)},
    "bandwidth": {"MB/s": (1, 6), "GB/s": (1, 9), "MiB/s": (2**20, 0), "GiB/s": (2**30, 0)},
    "share": {"%": (1, -2)},
    "number": {},
    "figure": {"%": (1, -2)},
}  # fmt: skip
"""A unit's size as a whole number and a power of ten: no size below one is a float."""

EXAMPLES: Mapping[Kind, str] = {
    "duration": "100ms",
    "period": "20m",
    "bytes": "5MB",
    "rate": "10fps",
    "frequency": "1.8GHz",
    "bandwidth": "12.8GB/s",
    "share": "85%",
    "number": "0.5",
    "figure": "85% or 0.5",
}
_PLAIN: tuple[Kind, ...] = ("share", "number", "figure")
_POSITIVE: tuple[Kind, ...] = ("duration", "period", "bytes", "rate", "frequency", "bandwidth")
_NUMBER = r"([-+]?)(?=\.?\d)(\d{0,400})(?:\.(\d{0,400}))?(?:[eE]([-+]?\d{1,20}))?"
_QUANTITY = re.compile(rf"({_NUMBER}) ?([^\d\s.][^\s]*)?", re.ASCII)


class QuantityError(ValueError):
    """Text that is not a quantity of the kind asked for; ``hint`` says what would be."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def quantity(value: str | int | float, kind: Kind) -> float:
    """Return ``value`` in base units: seconds, bytes, hertz, a share of 1, or a plain number; the float nearest to it.

    Raises QuantityError when it is no such quantity, not finite, negative, zero where a limit must be positive
    (durations, bytes, rates), or a share above 1.
    """
    number, unit = _split(value, kind)
    size = _size(value, number, unit, kind)
    return _in_range(value, _times(number, size) if isinstance(value, str) else float(value), kind)


def stated(value: float, unit: str, *, up: bool) -> str:
    """Return a figure (its unit as a Figure has it) as a manifest writes a limit, rounded to where the figure keeps it.

    Three digits, of percentages two after the point; ``up`` says that a larger limit is a wider one.
    """
    from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal  # 15 ms to import, and `validate` states nothing

    size, name = _largest(abs(value), unit)
    exact = Decimal(repr(value)) / Decimal(size[0]).scaleb(size[1])
    step = Decimal(1).scaleb(-2 if name == "%" or not exact else min(0, exact.adjusted() - 2))
    number = exact.quantize(step, ROUND_CEILING if up else ROUND_FLOOR)
    # What is read back is a float, which may lie on the wrong side by its last bit.
    while not _keeps(_times(f"{number:f}", size), value, up):
        number += step if up else -step
    return f"{number:f}{name}"


def span(seconds: float) -> str:
    """Return a duration as a period is written: ``2s``, ``10min``, ``1h``; in the largest unit that it is whole in."""
    for size, unit in ((3600.0, "h"), (60.0, "min")):
        if seconds % size == 0:
            return f"{seconds / size:g}{unit}"
    return f"{seconds:g}s"


def _keeps(limit: float, value: float, up: bool) -> bool:
    return limit >= value if up else limit <= value


def _times(number: str, size: tuple[int, int]) -> float:
    """Return the float nearest to a written number of units: rounded once, not at each of two factors."""
    match = re.fullmatch(_NUMBER, number)
    assert match is not None, "what _QUANTITY found, or a Decimal"
    sign, whole, fraction, exponent = (part or "" for part in match.groups())
    return float(f"{sign}{int(whole + fraction) * size[0]}e{int(exponent or 0) - len(fraction) + size[1]}")


def _largest(value: float, unit: str) -> tuple[tuple[int, int], str]:
    """Return the unit that people would write a value in, and its size."""
    if unit in ("share", "points"):
        return UNITS["share"]["%"], "%"
    kind: Kind | None = {"s": "duration", "bytes": "bytes", "Hz": "rate"}.get(unit)  # type: ignore[assignment]
    if kind is None:
        return (1, 0), ""
    names = {"duration": ("s", "ms", "us", "ns"), "bytes": ("GB", "MB", "kB", "B")}.get(kind, ("fps",))
    fitting = [name for name in names if _times("1", UNITS[kind][name]) <= value]
    name = fitting[0] if fitting else names[-1]
    return UNITS[kind][name], name


def _split(value: str | int | float, kind: Kind) -> tuple[str, str]:
    """Return the number as it is written, and the unit."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise QuantityError(f"{value!r} is not {_noun(kind)}", _allowed(kind))
    if isinstance(value, (int, float)):
        return str(value), ""
    match = _QUANTITY.fullmatch(value)
    if match is None:
        raise QuantityError(f"{value!r} is not {_noun(kind)}", _allowed(kind))
    return match[1], match[6] or ""


def _size(value: str | int | float, number: str, unit: str, kind: Kind) -> tuple[int, int]:
    units = UNITS[kind]
    if unit in units:
        return units[unit]
    if not unit:
        if kind in _PLAIN and not isinstance(value, str):
            return 1, 0
        if kind in _PLAIN:
            raise QuantityError(f"{value!r} is a string, not {_noun(kind)}", f"write it without quotes: {value}")
        raise QuantityError(f"{value} has no unit", f"write {float(number):g}{_first(kind)} ({_units(kind)})")
    near = next((known for known in units if known.lower() == unit.lower()), None)
    meant = f"did you mean {float(number):g}{near}? " if near else ""
    raise QuantityError(f"{value!r} is not {_noun(kind)}: unknown unit {unit!r}", meant + _allowed(kind))


def _in_range(value: str | int | float, result: float, kind: Kind) -> float:
    if not math.isfinite(result):
        raise QuantityError(f"{value} is not a finite number", _allowed(kind))
    if kind == "share" and not 0 <= result <= 1:
        percent = f"did you mean {value}%? " if not isinstance(value, str) and 1 < result <= 100 else ""
        raise QuantityError(f"{value} is not a share", f"{percent}a share lies between 0% and 100%, or between 0 and 1")
    if kind in _POSITIVE and result <= 0:
        raise QuantityError(f"{value} is not above zero", _allowed(kind))
    return result


def _noun(kind: Kind) -> str:
    return {
        "duration": "a duration",
        "period": "a period",
        "bytes": "a number of bytes",
        "rate": "a rate",
        "frequency": "a frequency",
        "bandwidth": "a bandwidth",
        "share": "a share",
        "number": "a number",
        "figure": "a share or a number",
    }[kind]


def _first(kind: Kind) -> str:
    return EXAMPLES[kind].lstrip("0123456789.")


def _allowed(kind: Kind) -> str:
    return f"write it like {EXAMPLES[kind]}" + (f" ({_units(kind)})" if kind not in _PLAIN else "")


def _units(kind: Kind) -> str:
    return "units: " + ", ".join(UNITS[kind])
