"""A small phrase grammar: ``(this|that|)`` chooses, ``{slot}`` fills in, ``#`` is a random digit.

A line is compiled once into nested closures, and each closure writes its text from the random numbers of one
:class:`Draw`. A slot that is a *fact* (an order number, an amount) notes the value that it wrote in the draw, so the
truth of an extraction is known exactly; ``{other_NAME}`` writes such a value without noting it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    Piece = Callable[["Draw"], str]

Value = str | int | float

_TOKEN = re.compile(r"[()|]|\{\w+\}|#+|[^()|{}#]+")
_OTHER = "other_"


@dataclass(slots=True)
class Draw:
    """The randomness of one text, and the facts that the text has named so far."""

    random: Callable[[], float]
    facts: dict[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fact:
    """A value that texts name: a code or a name (``low`` None), else a number between ``low`` and ``high``.

    ``of`` are the ways to write it (``#`` is a digit); ``whole``, where given, the ways to write round amounts, and
    its presence makes the number an amount with two decimals.
    """

    of: Sequence[str]
    low: int | None = None
    high: int | None = None
    whole: Sequence[str] = ()

    def draw(self, random: Callable[[], float]) -> tuple[Value, str]:
        """Return a value and one way to write it."""
        form = self.of[int(random() * len(self.of))]
        if self.low is None or self.high is None:
            text = _digits(form, random)
            return text, text
        share = random()
        number = self.low + (self.high - self.low) * share * share  # small ones are commoner
        if not self.whole:
            return int(number), form.format(int(number))
        if random() < 0.4:  # noqa: PLR2004 - the share of round amounts
            whole = self.whole[int(random() * len(self.whole))]
            return float(int(number)), whole.format(int(number))
        return round(number, 2), form.format(round(number, 2))


class Grammar:
    """Slots and facts by name; compiles phrases that use them."""

    def __init__(self, slots: Mapping[str, Iterable[str]], facts: Mapping[str, Fact]) -> None:
        self._lines = slots
        self._facts = facts
        self._slots: dict[str, Piece] = {}

    def compile(self, line: str) -> Piece:
        """Compile one phrase; an unknown slot or an unbalanced parenthesis is a ValueError."""
        tokens = _TOKEN.findall(line)
        piece, end = self._choice(tokens, 0)
        if end != len(tokens) or "".join(tokens) != line:
            raise ValueError(f"unbalanced or stray bracket in the phrase {line!r}")
        return piece

    def _choice(self, tokens: Sequence[str], at: int) -> tuple[Piece, int]:
        """Compile alternatives up to a closing parenthesis or the end."""
        options: list[Piece] = []
        while True:
            piece, at = self._sequence(tokens, at)
            options.append(piece)
            if at == len(tokens) or tokens[at] == ")":
                return choice(options), at
            at += 1

    def _sequence(self, tokens: Sequence[str], at: int) -> tuple[Piece, int]:
        pieces: list[Piece] = []
        while at < len(tokens) and tokens[at] not in {"|", ")"}:
            token = tokens[at]
            if token == "(":  # noqa: S105 - a bracket
                piece, at = self._choice(tokens, at + 1)
                if at == len(tokens):
                    raise ValueError("a '(' of a phrase is never closed")
            else:
                piece = self._atom(token)
            pieces.append(piece)
            at += 1
        return _join(pieces), at

    def _atom(self, token: str) -> Piece:
        if token[0] == "{":
            return self._slot(token[1:-1])
        return _number(len(token)) if token[0] == "#" else _constant(token)

    def _slot(self, name: str) -> Piece:
        if name not in self._slots:
            self._slots[name] = self._make_slot(name)
        return self._slots[name]

    def _make_slot(self, name: str) -> Piece:
        if name in self._facts:
            return _noted(name, self._facts[name])
        if name.removeprefix(_OTHER) in self._facts:
            return _unnoted(self._facts[name.removeprefix(_OTHER)])
        if name not in self._lines:
            raise ValueError(f"a phrase uses the slot {name!r}, which is not defined")
        return choice([self.compile(line) for line in self._lines[name]])


def choice(options: Sequence[Piece]) -> Piece:
    """Return the piece that writes one of the options, each as likely."""
    if len(options) == 1:
        return options[0]
    count = len(options)
    return lambda draw: options[int(draw.random() * count)](draw)


def _join(pieces: Sequence[Piece]) -> Piece:
    if len(pieces) == 1:
        return pieces[0]
    parts = tuple(pieces)
    return lambda draw: "".join([part(draw) for part in parts])


def _constant(text: str) -> Piece:
    return lambda _: text


def _number(width: int) -> Piece:
    size = 10**width
    return lambda draw: str(int(draw.random() * size)).zfill(width)


def _noted(name: str, fact: Fact) -> Piece:
    def piece(draw: Draw) -> str:
        # A text that names a fact twice means the same thing both times.
        written = draw.facts.get("=" + name)
        if written is None:
            draw.facts[name], written = fact.draw(draw.random)
            draw.facts["=" + name] = written
        return str(written)

    return piece


def _unnoted(fact: Fact) -> Piece:
    return lambda draw: fact.draw(draw.random)[1]


def _digits(form: str, random: Callable[[], float]) -> str:
    width = form.count("#")
    if not width:
        return form
    digits = iter(str(int(random() * 10**width)).zfill(width))
    return "".join([next(digits) if sign == "#" else sign for sign in form])
