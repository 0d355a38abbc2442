"""What a budget in money buys where no level is demanded: the best promise."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from rowsight.calls.budget import Budget
from rowsight.operators import operator
from rowsight.plan.guarantee import demanded
from rowsight.plan.nodes import Ask, Node, Project, walk

if TYPE_CHECKING:
    from rowsight.execution.options import RunOptions

SAID = (
    "no level is demanded, so the best promise that {} buys is sought, and rows that aren't asked are answered by the "
    "proxy; with certify=False (--no-certify), or a budget in calls or tokens, they would be skipped"
)
"""What is said before anything is paid, with the budget."""


def bought(plan: Node, options: RunOptions) -> Node:
    """Return the plan that the options mean: under a budget in money a question without a level seeks the best promise.

    So it is where one question is asked, of an operator that can be certified, and nothing but columns is chosen after
    it, and nobody said that it is to be a cap. Everything else, and budgets in calls or tokens, stay as they are: rows
    beyond the budget are skipped.
    """
    if options.budget is None or options.cascade or Budget.parse(options.budget).unit != "microusd":
        return plan
    if isinstance(plan, Project):
        return replace(plan, input=bought(plan.input, options))
    if type(plan) is not Ask or plan.guarantee is not None or plan.follow is not None or plan.capped:
        return plan
    if any(isinstance(node, Ask) for node in walk(plan.input)):
        return plan
    name = plan.question.operator
    offers = operator(name).metrics
    if not offers:
        return plan
    return replace(plan, guarantee=demanded(offered=offers, operator=name, certify=True))
