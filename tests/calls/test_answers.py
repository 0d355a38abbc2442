from __future__ import annotations

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowsight.calls.answers import Checker, parse_json_strictly
from rowsight.core.errors import SchemaError
from rowsight.plan.schema import InvalidAnswerError, Number, Text

SCHEMA = {
    "type": "object",
    "properties": {"answer": {"type": "boolean"}, "tags": {"type": "array", "items": {"enum": ["a", "b"]}}},
    "required": ["answer"],
    "additionalProperties": False,
}
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
PROSE = st.text(st.characters(exclude_characters="{}[]`", exclude_categories=("Cs",)), max_size=30)


@given(JSON)
def test_json_alone_is_what_it_says(value):
    assert parse_json_strictly(json.dumps(value)) == value


@given(st.dictionaries(st.text(), JSON, max_size=3), PROSE, PROSE)
def test_one_object_amid_prose_or_in_a_fence(value, before, after):
    text = json.dumps(value)
    assert parse_json_strictly(f"x {before}{text}{after}") == value
    assert parse_json_strictly(f"x {before}\n```json\n{text}\n```\n{after}") == value


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("yes", "not JSON"),
        ('{"answer": true', "no complete JSON object"),
        ('{"answer": true} or {"answer": false}', "more than one JSON object"),
        ('{"answer": true, "answer": false}', "stands twice"),
        ('Sure: {"a": {"b": 1, "b": 2}}', "stands twice"),
        ('{"answer": NaN}', "NaN is not JSON"),
        ('{"answer": -Infinity}', "not JSON"),
        ('{"answer": 1e999}', "too large"),
        ("[" * 100_000, "deep"),
        ("{" * 100_000, "no complete"),
        ('```json\n{"a": 1}\n```\n```json\n{"a": 2}\n```', "more than one code fence"),
        ('```json\n{"a": 1}\n```\nor {"a": 2}', "more than one JSON object"),
        ("```json\n{a: 1}\n```", "doesn't hold JSON"),
    ],
)
def test_what_is_not_one_json_value(text, words):
    with pytest.raises(InvalidAnswerError, match=words):
        parse_json_strictly(text)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('{"answer": "maybe"}', 'at answer: the value is not of type "boolean"'),
        ("{}", 'at the top: "answer" is a required property'),
        ('{"answer": true, "tags": ["a", "c"]}', 'at tags[1]: the value is not one of "a" or "b"'),
        ('{"answer": true, "x": 1}', "at the top: Additional properties are not allowed ('x' was unexpected)"),
        ('{"answer": "\\ud800"}', "the answer holds half of a surrogate pair; give whole characters"),
    ],
)
def test_an_invalid_answer_is_one_line_without_the_answer(text, fault):
    with pytest.raises(InvalidAnswerError) as caught:
        Checker(SCHEMA)(text)
    assert str(caught.value) == fault


def test_a_valid_answer_becomes_canonical_text_that_reads_back():
    assert Checker(SCHEMA)(' ```json\n{"answer" :true}\n``` ') == '{"answer":true}'
    big = Checker({"type": "object"})('{"n": 123456789012345678901234567890}')
    assert json.loads(big) == {"n": 123456789012345678901234567890}
    assert orjson.loads(Checker({"type": "object"})('{"t": "\u4f60\u597d"}')) == {"t": "\u4f60\u597d"}


def test_what_the_answer_type_calls_no_answer_is_invalid():
    with pytest.raises(InvalidAnswerError, match="empty text"):
        Checker(Text().schema, Text().read)('{"answer": " "}')
    with pytest.raises(InvalidAnswerError, match="at answer"):
        Checker(Number(0, 10).schema, Number(0, 10).read)('{"answer": 11}')


def test_a_schema_that_is_none_is_said_at_once():
    with pytest.raises(SchemaError, match="not a valid JSON Schema"):
        Checker({"type": "yesno"})
