"""What is new since last month: two results' themes, matched and compared.

A theme is matched to one of the same name (case and spaces aside), else to the one whose texts are most like its own, where
they are like enough and each is the other's best. Two shares differ when their intervals, each of which holds for all
themes of its result at once, are disjoint: with both results' confidence 1 - d that is wrong about any theme with
probability 2d at most. That is stricter than a test of the difference needs to be, and holds whatever the samples' sizes.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from rowsight.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from rowsight.execution.themes.found import Theme, Themes

Kind = Literal["new", "gone", "grown", "shrunk", "unchanged"]
LIKE_ENOUGH = 0.3
"""Cosine of two themes' texts, word for word, from which on differently named themes may be the same."""


@dataclass(frozen=True)
class Change:
    """What became of a theme. ``before`` and ``after`` are its names; ``None`` where it has no counterpart.

    ``sure``: the bounds of its shares before and after are disjoint (of a theme without a counterpart: its bound is
    above 0, so it is there). A grown or shrunk theme is always sure. ``matched`` says by what the two were matched.
    """

    kind: Kind
    before: str | None
    after: str | None
    share_before: float | None
    share_after: float | None
    sure: bool
    matched: Literal["name", "texts"] | None = None

    @property
    def name(self) -> str:
        """The theme's name, the later one where it has two."""
        return self.after or self.before or ""


@dataclass(frozen=True)
class Changes:
    """All themes of two results: the new ones first, then gone, grown, shrunk, unchanged.

    ``confidence``: with this probability no change that is called sure is wrong.
    """

    changes: tuple[Change, ...]
    confidence: float

    def of(self, kind: Kind) -> tuple[Change, ...]:
        """Return the changes of one kind."""
        return tuple(c for c in self.changes if c.kind == kind)

    @property
    def new(self) -> tuple[Change, ...]:
        """Themes that the earlier result has no counterpart of."""
        return self.of("new")

    @property
    def gone(self) -> tuple[Change, ...]:
        """Themes of the earlier result without a counterpart."""
        return self.of("gone")

    @property
    def grown(self) -> tuple[Change, ...]:
        """Themes whose share is surely larger."""
        return self.of("grown")

    @property
    def shrunk(self) -> tuple[Change, ...]:
        """Themes whose share is surely smaller."""
        return self.of("shrunk")

    def as_dict(self) -> dict[str, Any]:
        """Return the changes as JSON holds them."""
        return {"confidence": self.confidence, "changes": [asdict(c) for c in self.changes]}

    def lines(self) -> list[str]:
        """Return a line for each change."""
        return [_line(c) for c in self.changes]

    def __iter__(self) -> Iterator[Change]:
        return iter(self.changes)

    def __repr__(self) -> str:
        return "\n".join(["<Changes>", *self.lines()])


_ORDER = ("new", "gone", "grown", "shrunk", "unchanged")


def compared(before: Themes, after: Themes) -> Changes:
    """Return what became of the themes of ``before`` in ``after``."""
    if before.question != after.question:
        raise InputError(
            f"the themes answer different questions, {before.question!r} and {after.question!r}; compare like with like"
        )
    pairs = _matched(before.themes, after.themes)
    old = {b for b, _, _ in pairs}
    new = {a for _, a, _ in pairs}
    changes = [_change(before.themes[b], after.themes[a], by) for b, a, by in pairs]
    changes += [_alone("gone", t) for i, t in enumerate(before.themes) if i not in old]
    changes += [_alone("new", t) for i, t in enumerate(after.themes) if i not in new]
    changes.sort(key=lambda c: (_ORDER.index(c.kind), -max(c.share_before or 0.0, c.share_after or 0.0), c.name))
    return Changes(tuple(changes), max(0.0, round(before.confidence + after.confidence - 1, 12)))


def _matched(before: Sequence[Theme], after: Sequence[Theme]) -> list[tuple[int, int, Literal["name", "texts"]]]:
    keys = {_key(t.name): i for i, t in enumerate(before)}
    pairs: list[tuple[int, int, Literal["name", "texts"]]] = [
        (keys[_key(t.name)], a, "name") for a, t in enumerate(after) if _key(t.name) in keys
    ]
    old = [i for i in range(len(before)) if i not in {b for b, _, _ in pairs} and _words(before[i])]
    new = [i for i in range(len(after)) if i not in {a for _, a, _ in pairs} and _words(after[i])]
    if old and new:
        likeness = _likeness([_words(before[i]) for i in old], [_words(after[i]) for i in new])
        for row, column in zip(*np.nonzero(likeness >= LIKE_ENOUGH), strict=True):
            if likeness[row, column] == likeness[row].max() == likeness[:, column].max():
                pairs.append((old[int(row)], new[int(column)], "texts"))
    return pairs


def _key(name: str) -> str:
    return " ".join(name.casefold().split())


def _words(theme: Theme) -> str:
    """Return the texts that describe a theme: exemplars and examples."""
    return "\n".join([*theme.exemplars, *(e.text for e in theme.examples)])


def _likeness(before: list[str], after: list[str]) -> NDArray[np.float64]:
    """Return the cosines of themes' texts, by words and characters weighted by how rare they are among the themes."""
    from rowsight.proxies.features import Featurizer, Recipe  # noqa: PLC0415 - only where names don't match

    recipe = Recipe(shape=False, max_chars=20_000)
    words = Featurizer.fit([*before, *after], recipe)
    return np.asarray((words.transform(before) @ words.transform(after).T).toarray() / 2, dtype=np.float64)


def _change(before: Theme, after: Theme, matched: Literal["name", "texts"]) -> Change:
    kind: Kind = "unchanged"
    if before.high is not None and after.low is not None and after.low > before.high:
        kind = "grown"
    elif after.high is not None and before.low is not None and after.high < before.low:
        kind = "shrunk"
    return Change(kind, before.name, after.name, before.share, after.share, kind != "unchanged", matched)


def _alone(kind: Kind, theme: Theme) -> Change:
    sure = bool(theme.low)
    if kind == "new":
        return Change(kind, None, theme.name, None, theme.share, sure)
    return Change(kind, theme.name, None, theme.share, None, sure)


def _line(change: Change) -> str:
    shares = " -> ".join("-" if s is None else f"{s:.1%}" for s in (change.share_before, change.share_after))
    renamed = f" (was {change.before})" if change.before and change.after and change.before != change.after else ""
    return f"{change.kind:<9} {shares:>16}  {change.name}{renamed}"
