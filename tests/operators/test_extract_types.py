"""What extract's fields may be, from the schema of the request to the column of answers."""

from __future__ import annotations

import datetime as dt
import enum
import json
from typing import Any, Literal

import pyarrow as pa
import pytest
from pydantic import BaseModel

from rowsight.calls.answers import Checker
from rowsight.core.errors import SchemaError
from rowsight.engines.arrow import answer_array, arrow_type, reader_of
from rowsight.operators import operator
from rowsight.plan.schema import InvalidAnswerError


class Color(enum.Enum):
    red = "red"
    blue = "blue"


class Item(BaseModel):
    name: str
    color: Color = Color.red
    kind: Literal["a", "b"]


class Order(BaseModel):
    number: int
    when: dt.date | None
    items: list[Item]
    meta: dict[str, int] = {}
    either: int | str = 0


class Part(BaseModel):
    name: str
    parts: list[Part] = []


def column(fields: Any, answer: dict[str, Any]) -> pa.Array:
    """Return the column of one answer, read as an answer of a model is."""
    kind = operator("extract").question("{text}", fields=fields).answer
    text = Checker(kind.schema, reader_of(kind))(json.dumps(answer))
    return answer_array([kind.read(json.loads(text))], kind)


ORDER = {"number": 3, "when": "2024-01-02", "items": [{"name": "x", "color": "blue", "kind": "a"}], "meta": {"k": 1}}
REFERRING = {
    "type": "object",
    "$defs": {"P": {"type": "object", "properties": {"x": {"type": "integer"}}}},
    "properties": {"p": {"$ref": "#/$defs/P"}, "ps": {"type": "array", "items": {"$ref": "#/$defs/P"}}},
}


@pytest.mark.parametrize(
    ("fields", "answer", "expected"),
    [
        (Order, {**ORDER, "either": "s"}, {**ORDER, "meta": '{"k":1}', "either": "s"}),
        (
            Part,
            {"name": "x", "parts": [{"name": "y", "parts": [{"name": "零"}]}]},
            {"name": "x", "parts": [{"name": "y", "parts": ['{"name":"零"}']}]},
        ),
        (REFERRING, {"p": {"x": 1}, "ps": [{"x": 2}]}, None),
        ({"z": int, "a": "list[str]", "文本": "date"}, {"z": 2**62, "a": ["x"], "文本": None}, None),
        ({"a": int | None, "b": Literal["x", "y"], "c": list[Item]}, {"a": None, "b": "x", "c": None}, None),
        ({"answer": str, "row": bool, "text": float}, {"answer": "a", "row": True, "text": 2**63}, None),
    ],
)
def test_fields_of_every_kind_become_a_column(fields, answer, expected):
    assert column(fields, answer).to_pylist() == [answer if expected is None else expected]


def test_fields_keep_their_order_everywhere():
    asked = operator("extract").question("{text}", fields={"reasoning": str, "answer": bool})
    assert list(asked.answer.schema["properties"]) == ["reasoning", "answer"]
    assert asked.system.index("- reasoning") < asked.system.index("- answer")
    assert arrow_type(asked.answer).names == ["reasoning", "answer"]


@pytest.mark.parametrize("number", ["9223372036854775808", "1e30", "-12345678901234567890123"])
@pytest.mark.parametrize("form", ['{"a": %s, "b": null}', '{"a": null, "b": [1, %s]}'])
def test_a_whole_number_that_no_column_holds_is_no_answer(number, form):
    kind = operator("extract").question("{text}", fields={"a": int, "b": "list[int]"}).answer
    with pytest.raises(InvalidAnswerError, match="64 bits"):
        Checker(kind.schema, reader_of(kind))(form % number)


def test_a_type_that_json_does_not_hold_is_refused():
    with pytest.raises(SchemaError, match="'a'"):
        operator("extract").question("{text}", fields={"a": type("Odd", (), {})})


@pytest.mark.parametrize("scheme", ["file://", ""])
def test_a_schema_reads_nothing_beyond_itself(scheme, tmp_path):
    other = tmp_path / "other.json"
    other.write_text('{"type": "string"}')
    schema = {"type": "object", "properties": {"a": {"$ref": f"{scheme}{other}"}}}
    with pytest.raises(SchemaError, match=r"\$defs"):
        operator("extract").question("{text}", fields=schema)
    with pytest.raises(SchemaError, match=r"\$defs"):
        Checker(schema)
