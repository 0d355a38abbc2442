"""The form of an answer follows the request's schema, or the prompt's words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rowsight.calls.simulated.answers import CannotAnswerError, Form
from rowsight.plan.schema import Bool, Label, Number, Struct, Text


def answer(schema: dict[str, Any], truth: Any) -> Any:
    return json.loads(Form(schema).render(truth))


def objects(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


STRING = {"type": "string"}
BOOLEAN = {"type": "boolean"}
LABELS = Label(("courier", "Refund", "other")).schema


@pytest.mark.parametrize(
    ("schema", "truth", "expected"),
    [
        (Bool().schema, True, {"answer": True}),
        (Bool().schema, "no", {"answer": False}),
        (Bool().schema, 1, {"answer": True}),
        (objects(verdict=BOOLEAN), False, {"verdict": False}),
        (objects(reasoning=STRING, is_spam=BOOLEAN), True, {"reasoning": "", "is_spam": True}),
        (objects(reasoning=STRING, answer=STRING), "a poem", {"reasoning": "", "answer": "a poem"}),
        (objects(v={"enum": ["yes", "no"]}), False, {"v": "no"}),
        (objects(v={"type": "string", "enum": ["TRUE", "FALSE"]}), True, {"v": "TRUE"}),
        (LABELS, "courier", {"answer": "courier"}),
        (LABELS, "REFUND", {"answer": "Refund"}),
        (LABELS, "unheard of", {"answer": "other"}),
        (Label(("a", "b", "c"), several=True).schema, ["c", "a"], {"answer": ["c", "a"]}),
        (Label(("a", "b", "c"), several=True).schema, '["c"]', {"answer": ["c"]}),
        (Label(("a", "b", "c"), several=True).schema, "a, c, z", {"answer": ["a", "c"]}),
        (Label(("a, b", "c"), several=True).schema, "a, b", {"answer": ["a, b"]}),
        (Number(0, 10).schema, 12.5, {"answer": 10}),
        (Number(0, 10).schema, "7.5", {"answer": 7.5}),
        (objects(n={"type": "integer"}), 3.0, {"n": 3}),
        (Text().schema, "short", {"answer": "short"}),
        (objects(x={"anyOf": [{"type": "integer"}, {"type": "null"}]}), "12", {"x": 12}),
        ({**objects(x={"$ref": "#/$defs/b"}), "$defs": {"b": BOOLEAN}}, True, {"x": True}),
    ],
)
def test_a_truth_takes_the_form_of_the_schema(schema: dict[str, Any], truth: Any, expected: Any) -> None:
    assert answer(schema, truth) == expected


@pytest.mark.parametrize("as_text", [True, False])
def test_an_object_is_filled_by_name(*, as_text: bool) -> None:
    truth: Any = {"Order number": "A7", "amount": 3.5, "tags": ["x"]}
    schema = objects(order_number=STRING, amount={"type": ["number", "null"]}, tags={"type": "array", "items": STRING})
    schema["properties"] |= {"note": STRING, "date": {"type": ["string", "null"]}}
    schema["required"] = ["order_number", "amount", "tags", "date", "note"]
    expected = {"order_number": "A7", "amount": 3.5, "tags": ["x"], "note": "", "date": None}
    assert answer(schema, json.dumps(truth) if as_text else truth) == expected
    assert answer(objects(artist=STRING), {"artist": "Bach"}) == {"artist": "Bach"}
    assert answer(objects(a=STRING, n={"type": "number"}), {"a": ["x", "y"], "n": ["3"]}) == {"a": "x, y", "n": 3}
    assert answer(objects(answer=objects(a=STRING, b=STRING)), {"a": "1"}) == {"answer": {"a": "1", "b": ""}}


def test_a_pydantic_models_schema_is_filled() -> None:
    schema = Struct.of(objects(city=STRING)).schema
    assert "Paris" in Form(schema).render({"city": "Paris"})


@pytest.mark.parametrize(
    ("schema", "truth"),
    [
        (Bool().schema, "perhaps"),
        (Label(("a", "b")).schema, "z"),
        (Number(0, 1).schema, "much"),
        (Bool().schema, None),
    ],
)
def test_a_truth_that_has_no_such_form_is_no_answer(schema: dict[str, Any], truth: Any) -> None:
    with pytest.raises(CannotAnswerError):
        Form(schema).render(truth)


@pytest.mark.parametrize(
    ("prompt", "truth", "expected"),
    [
        ("Is this spam?", True, "Yes"),
        ("Answer True or False.", False, "False"),
        ("Answer yes or no, not true or false.", False, "No"),
        ("Which label?", "refund", "refund"),
        ("Rate it.", 3.0, "3"),
        (Bool().instruction, False, '{"answer":false}'),
        (Label(("a", "b"), several=True).instruction, "a,b", '{"answer":["a","b"]}'),
        (Number(0, 10).instruction, 4, '{"answer":4}'),
        (
            "Q\n\n" + Struct.of(objects(city=STRING, n={"type": "integer"})).instruction,
            '{"city": ["Rome"]}',
            '{"city":"Rome","n":null}',
        ),
        ("Answer with a JSON object.", {"city": "Rome"}, '{"city":"Rome"}'),
        ("Answer as JSON.", True, '{"answer":true}'),
        ('Schema: {"type": "object", "properties": {"spam": {"type": "boolean"}}}', "yes", '{"spam":true}'),
    ],
)
def test_without_a_schema_the_prompts_words_decide(prompt: str, truth: Any, expected: str) -> None:
    assert Form.of_prompt(prompt, as_json=False).render(truth) == expected


@pytest.mark.parametrize(
    ("schema", "truth", "others"),
    [
        (Bool().schema, True, [True]),
        (LABELS, "courier", ["courier"]),
        (Label(("a", "b"), several=True).schema, ["a"], []),
        (Number(0, 10).schema, 10, [10]),
        (Text().schema, "right", ["right", "left"]),
        (objects(a=STRING), {"a": "1"}, [{"a": "1"}, {"a": "2"}]),
    ],
)
def test_a_wrong_answer_is_well_formed_and_differs(schema: dict[str, Any], truth: Any, others: list[Any]) -> None:
    form = Form(schema)
    for pick in range(5):
        wrong = form.render_wrong(truth, others, pick)
        assert wrong != form.render(truth)
        assert set(json.loads(wrong)) == set(schema["properties"])
