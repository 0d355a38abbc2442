"""One contract for every operator: what its declaration promises holds on each surface."""

from __future__ import annotations

import inspect
from pathlib import Path

import jsonschema_rs
import orjson
import pyarrow as pa
import pytest

from rowsight.calls.answers import Checker
from rowsight.core.errors import InputError
from rowsight.engines.arrow import answer_array, arrow_type
from rowsight.operators import OPERATORS, Declaration
from rowsight.plan.schema import InvalidAnswerError
from rowsight.session import Session
from rowsight.surfaces.cli.asks import COMMANDS
from rowsight.surfaces.table import Table, read

DOCS = Path(__file__).resolve().parents[2] / "docs" / "operators.md"
VALUES = {
    "labels": ["courier", "退款", 'a "quoted", label'],
    "range": (-1.5, 2),
    "fields": {"amount": float, "tags": "list[str]", "known": bool},
    "flag": True,
}
ANSWERS = {
    "filter": (True, False),
    "classify": (["courier", 'a "quoted", label'], []),
    "extract": ({"amount": 1.5, "tags": ["a"], "known": None}, {"amount": None, "tags": None, "known": True}),
    "score": (-1.5, 2.0),
    "complete": ("text", "文本\n{}"),
}
WRONG = {
    "filter": ['{"answer": "yes"}', '{"answer": null}', '{"answer": true, "more": 1}', "true", ""],
    "classify": ['{"answer": ["else"]}', '{"answer": "courier"}', '{"answer": null}'],
    "extract": ['{"amount": "1"}', '{"amount": 1, "tags": null}', "{}", "[]"],
    "score": ['{"answer": 2.1}', '{"answer": -2}', '{"answer": "1"}', '{"answer": true}', '{"answer": NaN}'],
    "complete": ['{"answer": ""}', '{"answer": " "}', '{"answer": 1}', "plain text"],
}
every_operator = pytest.mark.parametrize("declaration", OPERATORS, ids=lambda d: d.name)


def parameters(declaration: Declaration) -> dict:
    return {p.name: VALUES[p.kind] for p in declaration.parameters}


def question(declaration: Declaration):
    return declaration.question(declaration.example, **parameters(declaration))


def as_json(declaration: Declaration, answer) -> str:
    return orjson.dumps(answer if declaration.name == "extract" else {"answer": answer}).decode()


@every_operator
def test_the_python_verb_takes_what_is_declared(declaration):
    verb = inspect.signature(getattr(Table, declaration.name)).parameters
    declared = {p.name for p in declaration.parameters}
    levels = {*declaration.metrics, *(("confidence", "by", "certify", "follow") if declaration.metrics else ())}
    own = {"filter": {"keep_all"}, "score": {"within"}}.get(declaration.name, set())
    assert set(verb) == {"self", "question", "into", *declared, *levels, *own}
    assert {p.name for p in declaration.parameters if p.required} == {
        name for name, p in verb.items() if p.default is inspect.Parameter.empty
    } - {"self", "question"}
    assert inspect.getdoc(getattr(Table, declaration.name))


@every_operator
def test_the_command_takes_what_is_declared(declaration):
    command = COMMANDS[declaration.name]
    flags = {flag for option in command.params for flag in option.opts}
    expected = {"labels": {"--labels", "--label"}, "fields": {"--field", "--schema"}, "range": {"--range"}}
    for parameter in declaration.parameters:
        assert expected.get(parameter.kind, {f"--{parameter.name}"}) <= flags
    assert ("--keep-all" in flags) == declaration.drops_rows
    assert (command.help or "").startswith(declaration.summary)
    assert declaration.example in (command.help or "")


@every_operator
def test_the_docs_page_has_a_section(declaration):
    page = DOCS.read_text(encoding="utf-8")
    assert f"\n## {declaration.name}\n" in page


@every_operator
def test_the_prompt_states_the_question_once_and_first_and_holds_no_value(declaration):
    asked = question(declaration)
    assert asked.system.count(asked.template.text) == 1
    assert asked.system.index(asked.template.text) < asked.system.index(asked.answer.instruction)
    assert asked.template.fence(("a value",)) == "<<<text\na value\ntext>>>"
    assert asked == question(declaration)
    assert asked.max_tokens > 0


@every_operator
def test_a_valid_answer_goes_through_the_checker_into_arrow(declaration):
    answer = question(declaration).answer
    jsonschema_rs.validator_for(answer.schema)
    check = Checker(answer.schema, answer.read)
    read_back = [answer.read(orjson.loads(check(as_json(declaration, a)))) for a in ANSWERS[declaration.name]]
    column = answer_array([*read_back, None], answer)
    assert column.type == arrow_type(answer)
    assert column.to_pylist() == [*ANSWERS[declaration.name], None]


@every_operator
def test_another_answer_is_none(declaration):
    answer = question(declaration).answer
    check = Checker(answer.schema, answer.read)
    for text in WRONG[declaration.name]:
        with pytest.raises(InvalidAnswerError):
            check(text)


@every_operator
def test_a_metric_that_is_not_offered_is_refused(declaration):
    table = read(pa.table({"text": ["x"]}))
    verb = getattr(table, declaration.name)
    given = inspect.signature(verb).parameters
    for metric in ("accuracy", "precision", "recall"):
        if metric in given and metric not in declaration.metrics:
            with pytest.raises(InputError, match=f"no {metric} guarantee"):
                verb("{text}?", **parameters(declaration), **{metric: 0.9})
        if metric not in given:
            assert metric not in declaration.metrics


@every_operator
def test_null_and_empty_values_are_null_and_never_a_call(declaration, tmp_path):
    table = read(pa.table({"text": pa.array([None, ""], pa.string())}), session=Session(state=tmp_path))
    keep = {"keep_all": True} if declaration.drops_rows else {}
    asked = getattr(table, declaration.name)("{text}?", **parameters(declaration), **keep)
    result = asked.run("sim", base_url="http://127.0.0.1:9/v1")
    assert result.to_arrow().column("answer").to_pylist() == [None, None]
    assert result.to_arrow().column("answer_status").to_pylist() == ["null", "null"]
    assert (result.report.calls, result.report.total("null")) == (0, 2)
