"""AI calls in one form, whoever's spelling they had: operator, question, parameters, arguments."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from sqlglot import exp

from rowsight.plan.sql.place import Place, SqlError

LOOKUP = "__ai_"
KNOWN = "__known_"
LOST = "__lost_"
TOTAL = "__total_"


@dataclass(frozen=True)
class Call:
    """One question as a query asks it. Two calls with equal contents are one, whatever they are asked of.

    ``parameters`` are the operator's, as canonical JSON; ``model`` is ``None`` for the connection's; ``levels`` are the
    guarantee demanded of this call alone; ``fast`` asks for the first rows by it, not for every row's answer.
    """

    operator: str
    template: str
    columns: int
    parameters: str = "{}"
    model: str | None = None
    levels: tuple[tuple[str, float], ...] = ()
    fast: bool = False
    place: Place | None = field(default=None, compare=False)

    @property
    def values(self) -> dict[str, Any]:
        """The operator's parameters."""
        loaded: dict[str, Any] = json.loads(self.parameters)
        return loaded


@dataclass(frozen=True)
class Figure:
    """An AI aggregate: ``kind`` (count, share or avg) of an answer in ``bounds``, and how narrow its interval must be."""

    name: str
    kind: str
    bounds: tuple[float, float]
    demand: dict[str, float]
    place: Place | None = field(default=None, compare=False)


@dataclass
class Calls:
    """The distinct calls of a query, numbered in order of appearance, and its AI aggregates."""

    listed: list[Call] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)

    def figure(self, figure: Figure, answer: exp.Expr) -> exp.Expr:
        """Return the function that stands in the query for an AI aggregate of ``answer``."""
        if figure not in self.figures:
            self.figures.append(figure)
        node = exp.Anonymous(this=f"{TOTAL}{self.figures.index(figure)}", expressions=[answer])
        node.meta["place"] = figure.place
        return node

    def lookup(self, call: Call, arguments: list[exp.Expr]) -> exp.Expr:
        """Return the function that stands in the query for ``call``'s answer."""
        if call not in self.listed:
            self.listed.append(call)
        node = exp.Anonymous(this=f"{LOOKUP}{self.listed.index(call)}", expressions=[_as_text(a) for a in arguments])
        node.meta["place"] = call.place
        return node


def _as_text(node: exp.Expr) -> exp.Expr:
    if isinstance(node, exp.Literal) and node.is_string:
        return node
    return exp.Cast(this=node, to=exp.DataType.build("VARCHAR"))


def number_of(node: exp.Expr) -> int | None:
    """Return which call ``node`` is the lookup of, ``None`` where it is another expression."""
    if isinstance(node, exp.Anonymous) and isinstance(node.this, str) and node.this.startswith(LOOKUP):
        return int(node.this.removeprefix(LOOKUP))
    return None


def known(node: exp.Expr) -> exp.Expr:
    """Return the function that says whether the lookup ``node`` has its answer."""
    return exp.Anonymous(this=f"{KNOWN}{number_of(node)}", expressions=[e.copy() for e in node.expressions])


@dataclass
class Asked:
    """A question in the making: the words and the expressions between them."""

    words: list[str] = field(default_factory=list)
    arguments: list[exp.Expr] = field(default_factory=list)
    _names: list[str] = field(default_factory=list)

    def say(self, text: str) -> None:
        """Add words."""
        self.words.append(text.replace("{", "{{").replace("}", "}}"))

    def put(self, node: exp.Expr) -> None:
        """Add an argument; the same expression keeps its name."""
        for name, earlier in zip(self._names, self.arguments, strict=True):
            if earlier == node:
                self.words.append(f"{{{name}}}")
                return
        name = self._fresh(node.name if isinstance(node, exp.Column) and node.name else "value")
        self._names.append(name)
        self.arguments.append(node)
        self.words.append(f"{{{name}}}")

    def _fresh(self, base: str) -> str:
        base = base.replace("{", "").replace("}", "").strip() or "value"
        name, number = base, 2
        while name in self._names:
            name, number = f"{base}_{number}", number + 1
        return name

    @property
    def spoken(self) -> bool:
        """Whether there are words of a question, not arguments alone."""
        return any((w.strip() and not w.startswith("{")) or w.startswith("{{") for w in self.words)

    @property
    def template(self) -> str:
        """The question with its placeholders."""
        return "".join(self.words).strip()


def prompt(node: exp.Expr, place: Place, otherwise: str) -> Asked:
    """Return the question that a prompt expression asks: text with arguments in it, by any vendor's means.

    ``otherwise`` is the question, with ``{}`` for the argument, where the expression holds no words of its own.
    """
    asked = Asked()
    _read(node, asked, place)
    if asked.spoken and asked.arguments:
        return asked
    return around(node, otherwise)


def around(node: exp.Expr, words: str) -> Asked:
    """Return the question ``words`` with ``node`` in the place of its ``{}``."""
    asked = Asked()
    before, _, after = words.partition("{}")
    asked.say(before)
    asked.put(node)
    asked.say(after)
    return asked


def with_text(question: exp.Expr, node: exp.Expr, place: Place) -> Asked:
    """Return a literal question followed by the text that it is about."""
    asked = Asked()
    if isinstance(question, exp.Literal) and question.is_string and "{0}" in question.this:
        _template(question.this, [node], asked, place)
        return asked
    _read(question, asked, place)
    asked.say(" ")
    asked.put(node)
    return asked


def is_prompt(node: exp.Expr) -> bool:
    """Say whether ``node`` is Snowflake's ``PROMPT(...)``."""
    return isinstance(node, exp.Anonymous) and str(node.this).lower() == "prompt"


def _read(node: exp.Expr, asked: Asked, place: Place) -> None:
    if isinstance(node, exp.Literal) and node.is_string:
        asked.say(node.this)
    elif isinstance(node, (exp.Paren, exp.Tuple, exp.DPipe, exp.Concat)):
        for part in _parts(node):
            _read(part, asked, place)
    elif is_prompt(node):
        _prompted(node, asked, place)
    else:
        asked.put(node)


def _parts(node: exp.Expr) -> list[exp.Expr]:
    if isinstance(node, exp.DPipe):
        return [node.this, node.expression]
    return [node.this] if isinstance(node, exp.Paren) else node.expressions


def _prompted(node: exp.Expr, asked: Asked, place: Place) -> None:
    first, *arguments = node.expressions or [exp.Null()]
    if not (isinstance(first, exp.Literal) and first.is_string):
        raise SqlError("PROMPT begins with its text, such as PROMPT('Is {0} about {1}?', body, topic)", place)
    _template(first.this, arguments, asked, place)


def _template(text: str, arguments: list[exp.Expr], asked: Asked, place: Place) -> None:
    rest = text
    while "{" in rest:
        before, _, rest = rest.partition("{")
        asked.say(before)
        inside, closed, after = rest.partition("}")
        if not (closed and inside.strip().isdigit()):
            asked.say("{")
            continue
        if int(inside) >= len(arguments):
            raise SqlError(f"PROMPT has {len(arguments)} arguments and asks for {{{inside}}}; they count from 0", place)
        asked.put(arguments[int(inside)])
        rest = after
    asked.say(rest)
