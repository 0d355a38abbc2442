"""What a certificate says of the rows that a plan puts out: a lattice, walked from the scan upwards.

Certificates of single questions don't compose by themselves: two filters of recall .9 can keep nothing that a filter by
both would keep. So each question of a plan is one of, from strong to weak:

- ``certified``: its statement holds over the table as it was read (and over SQL predicates on it, which err nowhere);
- ``certified for X only``: its statement holds over the rows that came out of X, whose own choice of rows has errors;
- ``asked``: every row was asked, so that the answers are the model's own; over which rows, the parts below say;
- ``not certified``: what stands here has no statement, for the reason given.

The failure probability is shared: with m certified questions each gets a part of it, so that all statements hold at once
(Bonferroni's inequality). Two certified filters in a row under one demand are certified as one predicate instead
(``conjoined``), which is the only way to a statement about both.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from rowsight.operators import Conjunction, Question
from rowsight.plan.nodes import Ask, Figure, Limit, Node, Scan, walk

Level = Literal["certified", "certified for X only", "asked", "not certified"]


@dataclass(frozen=True)
class Standing:
    """How one question of a plan stands: its level, and why in words."""

    question: str
    level: Level
    why: str

    def __str__(self) -> str:
        return f"{self.question}: {self.level}; {self.why}"


def standings(plan: Node) -> list[Standing]:
    """Return how each question of a plan stands, lowest first; empty for a plan without a guarantee."""
    asks = [node for node in walk(plan) if isinstance(node, Ask)]
    if not any(ask.guarantee for ask in asks):
        return []
    return [_standing(ask, plan) for ask in asks]


def _standing(ask: Ask, plan: Node) -> Standing:
    shown = f"{ask.question.operator} {ask.question.template.source!r}"
    unsure = [n for n in walk(ask.input) if isinstance(n, Ask) and n.guarantee is not None and n.drop]
    if ask.guarantee is not None and not ask.guarantee.metrics and not isinstance(ask, Figure):
        return Standing(
            shown, "not certified", "rows drawn at random were asked, and bound the shares; the others are guessed"
        )
    if ask.guarantee is None:
        over = f"; over the rows that {_names(unsure)} kept" if unsure else ""
        return Standing(shown, "asked", f"every row was asked, so the answers are the model's own{over}")
    if _cut(ask, plan):
        return Standing(
            shown, "not certified", "a limit above it keeps some of its rows only; a certificate speaks of all"
        )
    if unsure:
        return Standing(
            shown, "certified for X only", f"its population is the rows that {_names(unsure)} kept, errors included"
        )
    return Standing(shown, "certified", "its population is the table as read")


def _names(asks: list[Ask]) -> str:
    return " and ".join(repr(a.question.template.source) for a in asks)


def _cut(ask: Ask, plan: Node) -> bool:
    """Say whether a limit stands above ``ask``."""
    node, found = plan, False
    while node != ask and node.inputs:
        found = found or isinstance(node, Limit)
        node = node.inputs[0]
    return found


def conjoined(plan: Node) -> Node:
    """Return the plan with certified filters that stand in a row under one demand made one question.

    Before: ``Ask(b, Ask(a, Scan))``, both with precision .9; after: ``Ask(a and b, Scan)`` with precision .9.
    """
    if isinstance(plan, Scan):
        return plan
    below = conjoined(plan.input)
    plan = replace(plan, input=below) if below != plan.input else plan
    if not (_plain_filter(plan) and _plain_filter(below)):
        return plan
    assert isinstance(plan, Ask)
    assert isinstance(below, Ask)
    if plan.guarantee != below.guarantee:
        return plan
    return replace(plan, input=below.input, question=Conjunction((*_parts(below.question), *_parts(plan.question))))


def _plain_filter(node: Node) -> bool:
    return isinstance(node, Ask) and node.drop and not node.show and node.guarantee is not None and not node.follow


def _parts(question: Question | Conjunction) -> tuple[Question, ...]:
    return question.parts if isinstance(question, Conjunction) else (question,)


def shared(plan: Node) -> Node:
    """Return the plan with the failure probability shared among its certified questions, so that all hold at once."""
    certified = sum(isinstance(n, Ask) and n.guarantee is not None for n in walk(plan))
    return _shared(plan, certified) if certified > 1 else plan


def _shared(node: Node, parts: int) -> Node:
    if isinstance(node, Scan):
        return node
    node = replace(node, input=_shared(node.input, parts))
    if isinstance(node, Ask) and node.guarantee is not None:
        confidence = 1.0 - (1.0 - node.guarantee.confidence) / parts
        return replace(node, guarantee=replace(node.guarantee, confidence=round(confidence, 12)))
    return node
