"""Where in a query something stands, and errors that say so."""

from __future__ import annotations

from dataclasses import dataclass

from rowsight.core.errors import InputError


@dataclass(frozen=True, slots=True)
class Place:
    """A line and a column of the query's text, both from 1."""

    line: int
    column: int

    @classmethod
    def at(cls, text: str, offset: int) -> Place:
        """Return the place of the character ``offset`` (from 0) of ``text``."""
        return cls(text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset))

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}"


class SqlError(InputError):
    """A query that can't be run; ``place`` says where in its text."""

    def __init__(self, message: str, place: Place | None = None) -> None:
        super().__init__(f"{place}: {message}" if place else message)
        self.place = place
