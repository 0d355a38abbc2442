"""Questions with ``{column}`` placeholders, and the fence around a row's values.

A question's own words go to the model once, first, the same for every row; the values follow in fences::

    <<<body
    My parcel never came.
    body>>>

A value stands byte for byte in its fence. Where it holds the closing word itself, the fence takes another name
(``<<<body-1`` ... ``body-1>>>``) until the value can't close it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from rowsight.core.errors import ColumnError, TemplateError, nearest

_PIECE = re.compile(r"""\{\{|\}\}|\{"(?P<quoted>(?:[^"]|"")+)"\}|\{(?P<plain>[^{}]*)\}|[{}]""")
_FENCE = re.compile(r"<<<([\w-]+)\n")


@dataclass(frozen=True)
class Template:
    """A question such as ``Is {body} about {topic}?``; ``{{`` and ``}}`` are literal braces.

    A column's name that holds braces stands in double quotes, as in SQL: ``{"a{b}"}``; a quote in it is doubled.
    """

    source: str

    def __post_init__(self) -> None:
        if not isinstance(self.source, str) or not self.source.strip():
            raise TemplateError("the question is empty; write one such as 'Is {text} spam?'")
        for match in _PIECE.finditer(self.source):
            piece, name = match.group(), _named(match)
            if piece in ("{", "}"):
                raise TemplateError(
                    f"unclosed {piece!r} at character {match.start() + 1} of the question {self.source!r}; "
                    f"write {{column}} for a placeholder and {piece * 2} for a brace"
                )
            if name is not None and not name.strip():
                raise TemplateError(f"empty placeholder {{}} in the question {self.source!r}; name a column in it")
        if not self.columns:
            raise TemplateError(
                f"the question {self.source!r} names no column; say where the row's text goes, as in 'Is {{text}} spam?'"
            )

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The columns that the placeholders name to the letter, spaces included, each once, in order of appearance."""
        names = (_named(m) for m in _PIECE.finditer(self.source))
        return tuple(dict.fromkeys(n for n in names if n is not None))

    @cached_property
    def text(self) -> str:
        """The question as the model reads it: placeholders stay, doubled braces become single."""
        return _PIECE.sub(_read, self.source)

    def check(self, available: tuple[str, ...]) -> None:
        """Raise ``ColumnError`` where a placeholder names none of the ``available`` columns."""
        for name in self.columns:
            if name not in available:
                raise ColumnError(
                    f"the question asks for {{{name}}} but the table has no such column{nearest(name, available)}"
                )

    @cached_property
    def fence_names(self) -> tuple[str, ...]:
        """The fence's name of each column: its word characters, numbered where two columns would share one."""
        names: list[str] = []
        for column in self.columns:
            word = base = re.sub(r"\W+", "_", column) or "value"
            number = 2
            while word in names:
                word, number = f"{base}_{number}", number + 1
            names.append(word)
        return tuple(names)

    def fence(self, values: tuple[str, ...]) -> str:
        """Return the fenced values, one block per column, in the order of ``columns``."""
        return "\n".join(fence(name, value) for name, value in zip(self.fence_names, values, strict=True))


def _named(piece: re.Match[str]) -> str | None:
    """Return the column that a piece of a question names, if it is a placeholder."""
    quoted: str | None = piece["quoted"]
    return piece["plain"] if quoted is None else quoted.replace('""', '"')


def _read(piece: re.Match[str]) -> str:
    name = _named(piece)
    return {"{{": "{", "}}": "}"}[piece.group()] if name is None else f"{{{name}}}"


def placeholder(column: str) -> str:
    """Return the placeholder that names ``column``, in quotes where its name needs them."""
    plain = not set("{}") & set(column) and not column.startswith('"')
    return f"{{{column}}}" if plain else '{"' + column.replace('"', '""') + '"}'


def fence(name: str, value: str) -> str:
    """Return ``value``, byte for byte, in a fence that it can't close."""
    mark, number = name, 0
    while f"{mark}>>>" in value:
        number += 1
        mark = f"{name}-{number}"
    return f"<<<{mark}\n{value}\n{mark}>>>"


def unfence(message: str) -> list[tuple[str, str]]:
    """Return the (fence name, value) pairs that stand in ``message``, in order."""
    found: list[tuple[str, str]] = []
    position = 0
    while opening := _FENCE.search(message, position):
        mark, start = opening.group(1), opening.end()
        end = message.find(f"\n{mark}>>>", start)
        if end < 0:
            position = start
            continue
        found.append((mark, message[start:end]))
        position = end + len(mark) + 4
    return found
