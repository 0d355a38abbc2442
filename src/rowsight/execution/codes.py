"""Answers as class codes, for a cascade: labels, yes and no, or sets of labels.

A set of labels is one answer: right where it is the model's own set, to the label. Sets get their codes as they are
answered, and the first ``MOST_SETS - 1`` of them are classes; rarer ones have codes beyond the classes, so that no guess
equals them, and all of them together are the last class, whose code no answer has. A guess of it is wrong, always.
"""

from __future__ import annotations

from typing import Any, Protocol

from rowsight.plan.schema import AnswerType, Label

MOST_SETS = 64
"""Sets of labels that a proxy can tell apart."""


class Codes(Protocol):
    """Which code an answer has."""

    classes: int

    def code(self, answer: Any) -> int:
        """Return the code of an answer."""

    def value(self, code: int) -> Any:
        """Return the answer of a code."""

    def answers(self) -> list[Any]:
        """Return the answers in the order of their codes, as a certificate lists them."""


class LabelCodes:
    """One code for each of a list of answers."""

    def __init__(self, labels: tuple[Any, ...]) -> None:
        self._labels = labels
        self._codes = {label: code for code, label in enumerate(labels)}
        self.classes = len(labels)

    def code(self, answer: Any) -> int:
        """Return the code of an answer."""
        return self._codes[answer]

    def value(self, code: int) -> Any:
        """Return the answer of a code."""
        return self._labels[code]

    def answers(self) -> list[Any]:
        """Return the answers in the order of their codes."""
        return list(self._labels)


class SetCodes:
    """One code for each set of labels that was answered, in the order in which they came."""

    def __init__(self) -> None:
        self._codes: dict[tuple[str, ...], int] = {}
        self._sets: dict[int, tuple[str, ...]] = {}
        self.classes = MOST_SETS

    def code(self, answer: list[str]) -> int:
        """Return the code of a set; a new set gets the next one."""
        key = tuple(answer)
        if key not in self._codes:
            number = len(self._codes)
            code = number if number < self.classes - 1 else number + 1
            self._codes[key] = code
            self._sets[code] = key
        return self._codes[key]

    def value(self, code: int) -> list[str]:
        """Return the set of a code; of the class of rare sets, which is never right, no label."""
        return list(self._sets.get(code, ()))

    def answers(self) -> list[Any]:
        """Return the sets in the order of their codes, the class of rare sets as ``None``."""
        last = max(self._sets, default=-1)
        return [list(self._sets[c]) if c in self._sets else None for c in range(last + 1)]


def codes_of(answer: AnswerType) -> Codes:
    """Return the codes of an answer type: of its labels, its sets of labels, or no and yes."""
    if isinstance(answer, Label):
        return SetCodes() if answer.several else LabelCodes(answer.labels)
    return LabelCodes((False, True))
