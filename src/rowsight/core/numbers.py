"""What is given as a number is one: a text or a truth value in its place is bad input, named before anything is done."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

from rowsight.core.errors import InputError


def check_number(name: str, value: Any, usual: float) -> None:
    """Raise ``InputError`` unless ``value`` is a number; ``usual`` is one to show."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise InputError(f"{name}={value!r} is not a number; give one such as {name}={usual}")


def check_whole(name: str, value: Any, usual: int) -> None:
    """Raise ``InputError`` unless ``value`` is a whole number; ``usual`` is one to show."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise InputError(f"{name}={value!r} is not a whole number; give one such as {name}={usual}")
