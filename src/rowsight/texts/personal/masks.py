"""How a found value is shown: enough to recognise it by its owner, too little to use it."""

from __future__ import annotations

HIDDEN = "•"
_SHOWN = 2


def masked(kind: str, value: str) -> str:
    """Return ``value`` with all but a few characters hidden; separators stay."""
    if kind == "email":
        return _email(value)
    if kind == "ip":
        mark = "." if "." in value else ":"
        first, *rest = value.split(mark)
        return mark.join([first, *(HIDDEN for _ in rest)])
    return _but_last(value)


def _email(value: str) -> str:
    name, _, domain = value.rpartition("@")
    return f"{name[0]}{HIDDEN * 3}@{domain[0]}{HIDDEN * 3}.{domain.rpartition('.')[2]}"


def _but_last(value: str) -> str:
    """Hide letters and digits but the last two."""
    places = [i for i, c in enumerate(value) if c.isalnum()]
    hidden = set(places[:-_SHOWN])
    return "".join(HIDDEN if i in hidden else c for i, c in enumerate(value))
