"""AI_AGG and AI_SUMMARIZE_AGG: aggregates that a summary answers.

The values of a group become one argument, the JSON list of them in sorted order, so that the call is a lookup beside the
group as any other: what the planner knows of GROUP BY, HAVING and nesting holds for it, and equal groups are asked once.
"""

from __future__ import annotations

from sqlglot import exp

from rowsight.plan.sql.place import Place, SqlError

SUMMARIZE = "summarize"
INSTRUCTION = "What do the texts say?"


def values_of_group(node: exp.Expr) -> exp.Expr:
    """Return the expression that collects the texts of a group: NULL for a group without any."""
    text = exp.Cast(this=node.copy(), to=exp.DataType.build("VARCHAR"))
    given = exp.Where(this=exp.Not(this=exp.Is(this=node.copy(), expression=exp.Null())))
    collected = exp.Filter(this=exp.Anonymous(this="list", expressions=[text]), expression=given)
    return exp.Anonymous(this="to_json", expressions=[exp.Anonymous(this="list_sort", expressions=[collected])])


def instruction(words: object, name: str, place: Place) -> str:
    """Return the instruction of an aggregate, ``SqlError`` where it is no text."""
    if not isinstance(words, str) or not words.strip():
        raise SqlError(
            f"{name} needs its instruction as a text, such as AI_AGG(body, 'What do they complain about?')", place
        )
    return words.strip()
