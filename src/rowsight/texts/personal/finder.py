"""Look for personal data in texts, kind by kind; what one kind has taken, no later one does."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from importlib.util import find_spec

from rowsight.texts.personal.kinds import KINDS, Kind
from rowsight.texts.personal.masks import masked

CANDIDATE = r"@|\d[\d ().,/-]{4,}\d|\d{1,3}\.\d{1,3}\.\d|[0-9A-Fa-f]*:[0-9A-Fa-f:]+:|[A-Z]{2} ?\d{2}|[A-Za-z]{6}\d"
"""RE2: texts without a match hold none of the kinds; quicker than looking at each."""

_BEFORE, _AFTER = 48, 24
_VERSION = re.compile(r"(?:\bv|version|release|build|firmware|update)[ :=#]*$", re.IGNORECASE)
_PACKAGES = {"python-stdnum": "stdnum", "phonenumbers": "phonenumbers"}


@dataclass(frozen=True, slots=True)
class Match:
    """One value found: its kind and place. ``bare`` where it counts only if nearly the whole column is like it."""

    kind: str
    start: int
    end: int
    bare: bool


class Finder:
    """Finds the kinds whose packages are installed; ``missing`` maps the other kinds to the package each needs."""

    def __init__(self, kinds: Iterable[Kind] = KINDS) -> None:
        listed = list(kinds)
        absent = {package for package, module in _PACKAGES.items() if find_spec(module) is None}
        self.missing = {k.name: k.needs for k in listed if k.needs in absent}
        self._kinds = [k for k in listed if k.needs not in absent]

    @property
    def names(self) -> frozenset[str]:
        """The names of the kinds that are looked for."""
        return frozenset(k.name for k in self._kinds)

    def find(self, text: str, column: str = "", bare: frozenset[str] | None = None) -> list[Match]:
        """Return what ``text``, a cell of ``column``, holds, in order.

        ``bare`` are the kinds whose bare numbers are looked for, too, where one fills the cell; ``None`` means all.
        """
        taken: list[Match] = []
        for kind in self._kinds:
            for found in kind.form.finditer(text):
                start, end = found.span()
                if any(start < m.end and m.start < end and not m.bare for m in taken):
                    continue
                match = _judged(kind, text, start, end, column)
                if match is not None and (not match.bare or bare is None or kind.name in bare):
                    taken += _checked(kind, found.group(), match)
        return sorted(taken, key=lambda m: m.start)

    def hidden(self, text: str, column: str = "", bare: frozenset[str] = frozenset()) -> str:
        """Return ``text`` with the personal data in it masked; bare numbers of the kinds ``bare``, too."""
        end, parts = 0, []
        for match in self.find(text, column, bare):
            if match.start >= end:
                parts += [text[end : match.start], masked(match.kind, text[match.start : match.end])]
                end = match.end
        return "".join([*parts, text[end:]])


def _checked(kind: Kind, value: str, match: Match) -> list[Match]:
    """Return the match where its value is valid, cut to the valid part."""
    if kind.cut is None:
        check = kind.fills if match.bare and kind.fills is not None else kind.check
        return [match] if check(value) else []
    part = kind.cut(value)
    return [replace(match, end=match.start + len(part))] if part is not None else []


def _judged(kind: Kind, text: str, start: int, end: int, column: str) -> Match | None:
    """Return what a candidate counts as if it is valid: by its form, the words around it, or as a whole cell."""
    value = text[start:end]
    near = text[max(start - _BEFORE, 0) : start]
    if kind.name == "ip" and _VERSION.search(near):
        return None
    if kind.written is None or kind.written.fullmatch(value):
        return Match(kind.name, start, end, bare=False)
    around = f"{near} {text[end : end + _AFTER]}"
    if kind.words is not None and (kind.words.search(around) or kind.words.search(column)):
        return Match(kind.name, start, end, bare=False)
    fills = value == text.strip() and (kind.bare is None or kind.bare.fullmatch(value))
    return Match(kind.name, start, end, bare=True) if fills else None
