"""Several rows in one request: how the rows are fenced and numbered, what is asked of each, and the answer's form.

The rows of a request are numbered from 1. Each value stands in a fence of its own that carries its row's number::

    <<<1-body
    My parcel never came.
    1-body>>>
    <<<2-body
    Thank you!
    2-body>>>

The answer is one JSON object with a member for each row, named by its number: ``{"1": true, "2": false}``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from rowsight.core.errors import SchemaError
from rowsight.plan.schema import AnswerType, Bool, JsonSchema, Label, Number, Struct
from rowsight.plan.template import Template, fence, unfence

_MARK = re.compile(r"([1-9]\d*)-\w+(?:-\d+)?")
_ONE = "one_row"
"""What the schema of a shared answer calls the form of one row's."""


def fence_rows(template: Template, rows: Sequence[tuple[str, ...]]) -> str:
    """Return the values of several rows, one block a value, numbered by their place from 1 on."""
    return "\n".join(
        fence(f"{number}-{name}", value)
        for number, values in enumerate(rows, 1)
        for name, value in zip(template.fence_names, values, strict=True)
    )


def unfence_rows(message: str) -> dict[int, list[str]]:
    """Return the values that stand in ``message`` by their row's number; empty where a fence carries none."""
    found: dict[int, list[str]] = {}
    for mark, value in unfence(message):
        numbered = _MARK.fullmatch(mark)
        if numbered is None:
            return {}
        found.setdefault(int(numbered[1]), []).append(value)
    return found


def shared_schema(answer: AnswerType, rows: int) -> JsonSchema:
    """Return the JSON Schema of the answer about ``rows`` rows."""
    one = _one_row(answer)
    definitions = one.pop("$defs", {})
    name = next(n for n in (_ONE, f"{_ONE}_", f"{_ONE}__") if n not in definitions)
    numbers = [str(number) for number in range(1, rows + 1)]
    return {
        "type": "object",
        "properties": {number: {"$ref": f"#/$defs/{name}"} for number in numbers},
        "required": numbers,
        "additionalProperties": False,
        "$defs": {name: one, **definitions},
    }


def _one_row(answer: AnswerType) -> JsonSchema:
    if not isinstance(answer, Struct):
        inner: JsonSchema = answer.schema["properties"]["answer"]
        return inner
    if re.search(r'"\$(?:ref|dynamicRef)": "(?!#/\$defs/)', answer.source):
        raise SchemaError("rows can share a request only where all of the schema's $ref name one of its own $defs")
    return dict(answer.schema)


def alone(answer: AnswerType, given: Any) -> Any:
    """Return a row's part of a shared answer as the answer that the row would have had alone."""
    return given if isinstance(answer, Struct) else {"answer": given}


def in_words(schema: JsonSchema) -> bool:
    """Say whether the words of a question tell all of an answer's form: a single ``answer``, or a plain one for each row."""
    names = list(schema.get("properties", ()))
    if names == ["answer"]:
        return True
    return _ONE in schema.get("$defs", {}) and "properties" not in schema["$defs"][_ONE]


def shared_instruction(answer: AnswerType) -> str:
    """Return the words that ask for an answer about each row; they are the same for any number of rows."""
    each = "as one JSON object of the rows' numbers"
    match answer:
        case Bool():
            return f'Answer yes or no for each row, {each}: {{"1": true, "2": false}}; true is yes, false is no.'
        case Label(several=True):
            words = "Answer for each row with every label that fits, spelled as above, an empty list when none fits"
            return f'{_listed(answer)}\n{words}, {each}: {{"1": ["label", ...], "2": []}}.'
        case Label():
            words = "Answer for each row with exactly one label, spelled as above"
            return f'{_listed(answer)}\n{words}, {each}: {{"1": "label", "2": "label"}}.'
        case Number():
            words = f"Answer for each row with a number from {answer.low:g} to {answer.high:g}"
            return f'{words}, {each}: {{"1": number, "2": number}}.'
        case Struct():
            words = "Answer for each row with an object of these fields, null for what the row doesn't say"
            return f'{_listed(answer)}\n{words}, {each}: {{"1": {{...}}, "2": {{...}}}}.'
        case _:
            return f'Answer for each row with a text, {each}: {{"1": "text", "2": "text"}}.'


def _listed(answer: Label | Struct) -> str:
    """Return the list of labels or fields out of the words that ask about one row."""
    return answer.instruction.rpartition("\n")[0]
