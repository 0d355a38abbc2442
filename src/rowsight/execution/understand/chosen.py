"""Which columns are looked at: the text, the time, the groups, the key, chosen from a profile where none is named."""

from __future__ import annotations

from dataclasses import dataclass

from rowsight.core.errors import ColumnError, InputError, nearest
from rowsight.execution.profile import ColumnProfile, Profile

MOST_GROUPS = 12
"""Values of a label column that is chosen by itself to tell groups apart."""


@dataclass(frozen=True)
class Chosen:
    """The names of the columns; ``None`` where there is none of that use."""

    text: str
    time: str | None = None
    by: str | None = None
    key: str | None = None


def chosen(profile: Profile, text: str | None, time: str | None, by: str | None) -> Chosen:
    """Return the columns that are named, and the likeliest ones where none is.

    ``ColumnError`` for a column that the table doesn't have, ``InputError`` where no column holds texts.
    """
    names = [c.name for c in profile.columns]
    for option, name in (("text", text), ("time", time), ("by", by)):
        if name is not None and name not in names:
            raise ColumnError(f"{option} names the column {name!r}, which the table doesn't have{nearest(name, names)}")
    found = text or profile.text
    if found is None:
        raise InputError(
            f"{profile.source} has no column of texts, so there are no themes to find; name one with text=, "
            "or profile the table"
        )
    others = [c for c in profile.columns if c.name != found]
    return Chosen(found, time or _first(others, _is_time), by or _first(others, _is_group), _key(others))


def _first(columns: list[ColumnProfile], fits: object) -> str | None:
    assert callable(fits)
    return next((c.name for c in columns if fits(c)), None)


def _is_time(column: ColumnProfile) -> bool:
    return column.kind == "time" and column.distinct > 1 and column.low is not None


def _is_group(column: ColumnProfile) -> bool:
    few = 2 <= column.distinct <= min(MOST_GROUPS, column.rows // 2)  # noqa: PLR2004 - one group has nothing beside it
    return column.kind == "label" and few and not column.personal


def _key(columns: list[ColumnProfile]) -> str | None:
    unique = [c for c in columns if c.distinct == c.rows > 1 and not c.personal]
    fit = [c for c in unique if c.kind == "key" or c.type.startswith(("int", "uint"))]
    return next((c.name for c in sorted(fit, key=lambda c: "id" not in c.name.lower())), None)
