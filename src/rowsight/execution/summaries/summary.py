"""What a summary is: sentences that cite rows, what was dropped, and which rows no sentence speaks of."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

SPENT = "the budget is spent"
"""Why rows aren't covered that no call was left for."""


@dataclass(frozen=True)
class Sentence:
    """One sentence and the rows that support it, as a check found.

    ``rows`` are positions in the input, from 0, of cited rows (of equal rows the first); ``keys`` are their values in the
    key column, the positions where none was named. ``support`` counts the rows, equal ones included, that the facts
    joined in the sentence cite: more than are shown where the sentence joins many.
    """

    text: str
    rows: tuple[int, ...]
    keys: tuple[Any, ...]
    support: int


@dataclass(frozen=True)
class Dropped:
    """What the checks took out, over all calls of the tree.

    ``citations``: ids that named no row of the request. ``uncited``: sentences left without any row. ``unsupported``:
    sentences that no cited row supports. ``unsupporting``: cited rows that don't support their sentence, which others do.
    ``unchecked``: sentences whose check failed.
    """

    citations: int = 0
    uncited: int = 0
    unsupported: int = 0
    unsupporting: int = 0
    unchecked: int = 0

    @property
    def sentences(self) -> int:
        """Sentences that were dropped."""
        return self.uncited + self.unsupported + self.unchecked


@dataclass(frozen=True)
class Gap:
    """Rows that the summary doesn't cover, and why: a failed leaf, or a budget that didn't reach so far."""

    leaf: int | None
    rows: int
    reason: str
    detail: str = ""

    def __str__(self) -> str:
        where = f" of leaf {self.leaf}" if self.leaf is not None else ""
        said = f"{self.reason}: {self.detail}" if self.detail else self.reason
        return f"{self.rows:,} rows{where} not covered: {said}"


@dataclass(frozen=True)
class GroupSummary:
    """The summary of one value of ``by`` (its text), or of the whole table, whose ``value`` is ``None``.

    ``rows`` came in: ``read`` were read, ``null`` had nothing to read, and the ``gaps`` tell of the others. ``distinct``
    counts the distinct rows that were read.
    """

    value: str | None
    rows: int
    read: int
    null: int
    distinct: int
    sentences: tuple[Sentence, ...]
    gaps: tuple[Gap, ...] = ()


@dataclass(frozen=True)
class Summary:
    """An answer in sentences. ``sampled``: the share of the distinct rows that the budget allowed to be read, else ``None``."""

    question: str
    by: str | None
    key: str | None
    groups: tuple[GroupSummary, ...]
    dropped: Dropped
    calls: int
    sampled: float | None = None
    notes: tuple[str, ...] = ()

    @property
    def sentences(self) -> tuple[Sentence, ...]:
        """The sentences of all groups, group by group."""
        return tuple(s for group in self.groups for s in group.sentences)

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """All rows that are not covered."""
        return tuple(gap for group in self.groups for gap in group.gaps)

    @property
    def text(self) -> str:
        """The sentences as text, with the keys of the rows that they cite."""
        lines: list[str] = []
        for group in self.groups:
            if self.by is not None:
                lines.append(f"{self.by} {group.value}:")
            lines += [f"- {s.text} [{', '.join(map(str, s.keys))}]" for s in group.sentences]
        return "\n".join(lines)

    def as_dict(self) -> dict[str, Any]:
        """Return the summary as JSON can hold it, keys as text where JSON has no such type."""
        found = asdict(self)
        for group in found["groups"]:
            for sentence in group["sentences"]:
                sentence["keys"] = [
                    k if isinstance(k, (int, float, bool, type(None))) else str(k) for k in sentence["keys"]
                ]
        return found

    def __str__(self) -> str:
        return self.text
