"""What is asked of ``themes``: how many, beside which known ones, over which groups and times."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rowsight.core.errors import InputError, SchemaError

MOST_CHOSEN = 60
"""Groups that are formed at most where their number isn't given."""
EXAMPLES = 3
"""Texts near each theme's centre that are asked about, whatever is drawn; and examples shown of each theme."""
UNASSIGNED, NO_OTHER = "(none of these)", "(something else)"
"""What fits no theme; and what stands beside a theme that is alone, since a choice needs two. No theme has these names."""
MOST_THEMES = 150
"""Themes that one question can put to the model at once."""


@dataclass(frozen=True)
class Theming:
    """The parameters of ``themes``.

    ``k``: themes to discover (``None``: as many as the texts show; 0: none beside ``labels``). ``labels``: known themes
    as (name, description). ``by`` and ``time`` name the columns of groups and of points in time. ``min_share``: a group
    of texts smaller than this share isn't named. ``sample``: rows drawn at random that the model is asked about.
    ``lang``: the language of the names (``None``: the texts' own).
    """

    k: int | None = None
    labels: tuple[tuple[str, str], ...] = ()
    by: str | None = None
    time: str | None = None
    min_share: float = 0.01
    sample: int = 600
    lang: str | None = None

    def __post_init__(self) -> None:
        if self.k is not None and not 0 <= self.k <= MOST_THEMES:
            raise InputError(
                f"k={self.k} is not a number of themes from 0 to {MOST_THEMES}; leave k out to have it chosen"
            )
        if self.k == 0 and not self.labels:
            raise InputError("k=0 discovers nothing and no labels are given; give labels, or leave k out")
        if not 0 <= self.min_share < 1:
            raise InputError(f"min_share={self.min_share:g} is not a share; give one such as 0.01")
        if self.sample < 1:
            raise InputError(f"sample={self.sample} asks no row; give the number of rows to ask, such as 600")
        if self.lang is not None and not self.lang.strip():
            raise InputError("lang is empty; name a language such as 'en', or leave it out for the texts' own")

    def calls(self, distinct: int) -> tuple[int, int]:
        """Return the fewest and the most calls that ``distinct`` texts take; an answer to be repaired takes one more."""
        rows = min(distinct, self.sample)
        if self.k == 0:
            return rows, rows
        found = min(self.k or MOST_CHOSEN, distinct)
        named = found + (found + len(self.labels) > 1)
        return rows + (named if self.k else 1), min(distinct, self.sample + EXAMPLES * found) + named


def known_labels(labels: Iterable[str] | Mapping[str, str] | None) -> tuple[tuple[str, str], ...]:
    """Return known themes as (name, description); a description may be empty."""
    if labels is None:
        return ()
    if isinstance(labels, str):
        raise SchemaError(f"labels is the text {labels!r}; give a list such as ['a', 'b']")
    pairs = tuple(labels.items()) if isinstance(labels, Mapping) else tuple((label, "") for label in labels)
    if not pairs:
        raise SchemaError("labels is empty; give at least one known theme, or leave labels out")
    seen: set[str] = set()
    for name, _ in pairs:
        if not isinstance(name, str) or not name.strip():
            raise SchemaError("a label is empty; give each label a name")
        if name in (UNASSIGNED, NO_OTHER):
            raise SchemaError(f"the label {name!r} has a meaning of its own; give the theme another name")
        if name in seen:
            raise SchemaError(f"the label {name!r} stands twice; give each label once")
        seen.add(name)
    if len(pairs) > MOST_THEMES:
        raise SchemaError(f"there are {len(pairs)} labels; at most {MOST_THEMES} can be asked about at once")
    return tuple((name, description or "") for name, description in pairs)
