"""HTML that is built of elements: text is always escaped, so that nothing in a cell is ever markup."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable

_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff]")
_VOID = frozenset({"meta", "br", "hr", "link"})


class Html(str):
    """Markup; any other string is text."""

    __slots__ = ()


Child = Html | str | int | float | None | Iterable["Child"]


def text(value: object) -> Html:
    """Return a value as escaped text; control characters are shown as U+FFFD."""
    shown = _UNPRINTABLE.sub("\ufffd", str(value)).encode("utf-8", "replace").decode("utf-8")
    return Html(html.escape(shown, quote=True))


def tag(name: str, /, *children: Child, **attributes: str | int | bool | None) -> Html:
    """Return an element. ``class_`` is ``class``, ``data_x`` is ``data-x``; ``None`` and ``False`` leave an attribute out."""
    given = "".join(
        _attribute(key, value) for key, value in attributes.items() if value is not None and value is not False
    )
    if name in _VOID:
        return Html(f"<{name}{given}>")
    return Html(f"<{name}{given}>{joined(children)}</{name}>")


def joined(children: Child) -> Html:
    """Return children as one piece of markup; ``None`` is nothing."""
    match children:
        case None:
            return Html("")
        case Html():
            return children
        case str() | int() | float():
            return text(children)
        case _:
            return Html("".join(joined(child) for child in children))


def _attribute(key: str, value: object) -> str:
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{text(value)}"'


def table(head: Iterable[Child], rows: Iterable[Iterable[Child]], *, numbers: Iterable[int] = ()) -> Html:
    """Return a table that scrolls within its place; the columns ``numbers`` are set to the right."""
    right = set(numbers)
    cells = [
        tag("tr", [tag("td", cell, class_="n" if i in right else None, dir="auto") for i, cell in enumerate(row)])
        for row in rows
    ]
    heads = tag("tr", [tag("th", h, class_="n" if i in right else None, scope="col") for i, h in enumerate(head)])
    return tag("div", tag("table", tag("thead", heads), tag("tbody", cells)), class_="scroll")
