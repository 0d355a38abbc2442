"""Rows longer than a model's window, made shorter: the longest value loses its second half until the row fits."""

from __future__ import annotations

Values = tuple[str | None, ...]
MOST_CUTS = 8
"""Halvings of one row: the longest of equal values ends at a 256th of its length."""
SHORTEST = 32
"""Characters that a value keeps: a row that doesn't fit with less doesn't fit because of the question."""


def versions(arguments: Values) -> list[Values]:
    """Return the row's arguments, whole first, then each with the longest value of the one before cut in half."""
    found = [arguments]
    while len(found) <= MOST_CUTS and (shorter := halved(found[-1])) is not None:
        found.append(shorter)
    return found


def halved(arguments: Values) -> Values | None:
    """Return ``arguments`` with the first half alone of the longest value, ``None`` where all are short."""
    place = max(range(len(arguments)), key=lambda i: len(arguments[i] or ""))
    value = arguments[place] or ""
    if len(value) < 2 * SHORTEST:
        return None
    return (*arguments[:place], value[: len(value) // 2], *arguments[place + 1 :])
