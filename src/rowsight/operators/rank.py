"""rank: the rows that come first by a question.

Two questions make a ranking: one grades several rows in a request, one puts several rows in order.
"""

from __future__ import annotations

from typing import Any

from rowsight.operators.together import IDS, RULES, Together, each_once, listing, named_values
from rowsight.plan.schema import InvalidAnswerError, JsonSchema
from rowsight.plan.template import Template

SUMMARY = "Find the rows that come first by a question, in order."
EXAMPLE = "Relevance of {text} to late deliveries"
HIGHEST = 10

_GRADES = listing("grades", {"id": {"type": "string"}, "grade": {"type": "number"}})
_RANKING: JsonSchema = {
    "type": "object",
    "properties": {"ranking": IDS},
    "required": ["ranking"],
    "additionalProperties": False,
}
_GRADE = """\
You grade rows of a table, each for itself, by one measure. {rules} {values}

Question: {question}

Give every row a grade from 0 (not at all) to {highest} (as much as can be) for what the question asks; a row's grade must \
not depend on the other rows. Answer as JSON: {{"grades": [{{"id": "r1", "grade": 7.5}}]}}, every id once."""
_ORDER = """\
You put rows of a table in order by one measure. {rules} {values}

Question: {question}

Order all rows by what the question asks, the highest first; the order in which they stand here means nothing. Answer as \
JSON: {{"ranking": ["r2", "r1"]}}, every id once."""


def grading(template: Template) -> Together:
    """Return the question that gives each of several rows a grade."""
    rules = RULES.format(things="rows", id="r1")
    values = named_values(template)
    system = _GRADE.format(rules=rules, values=values, question=template.text, highest=HIGHEST)
    return Together("grade", system, _GRADES, _grades)


def ordering(template: Template) -> Together:
    """Return the question that puts several rows in order."""
    rules = RULES.format(things="rows", id="r1")
    system = _ORDER.format(rules=rules, values=named_values(template), question=template.text)
    return Together("order", system, _RANKING, _ranking)


def _grades(answer: Any, ids: tuple[str, ...]) -> dict[str, float]:
    given = answer["grades"]
    each_once([g["id"] for g in given], ids)
    for one in given:
        if not 0 <= one["grade"] <= HIGHEST:
            raise InvalidAnswerError(f"the grade {one['grade']:g} of {one['id']} is not from 0 to {HIGHEST}")
    return {g["id"]: float(g["grade"]) for g in given}


def _ranking(answer: Any, ids: tuple[str, ...]) -> list[str]:
    found: list[str] = answer["ranking"]
    each_once(found, ids)
    return found
