"""Answers about several rows: what is valid in them, and how rows are put together."""

import json

import orjson
import pytest

from rowsight.calls.answers import Checker, PartlyAnsweredError
from rowsight.calls.bodies import Bodies
from rowsight.calls.capabilities import Capabilities
from rowsight.calls.request import Request, RequestTemplate, Sampling
from rowsight.calls.sharing import LONGEST_SHARED, MOST_CHARACTERS, RowsChecker, Sharer, groups
from rowsight.engines.arrow import reader_of
from rowsight.operators import operator
from rowsight.plan.schema import Bool, InvalidAnswerError, struct_of_fields
from rowsight.plan.shared import shared_schema

STRUCT = struct_of_fields({"n": "integer"})


def checker(answer, rows):
    return RowsChecker(answer, rows, Checker(answer.schema, reader_of(answer)))


def test_a_whole_answer_becomes_what_each_row_would_have_had_alone():
    assert json.loads(checker(Bool(), 2)('Here: {"2": false, "1": true}')) == {
        "1": {"answer": True},
        "2": {"answer": False},
    }
    assert json.loads(checker(STRUCT, 1)('{"1": {"n": 3}}')) == {"1": {"n": 3}}


@pytest.mark.parametrize(
    ("text", "valid", "said"),
    [
        ('{"1": true}', {1}, "row 2: no answer is given"),
        ('{"1": true, "2": false, "3": true}', {1, 2}, "'3' is the number of no row"),
        ('{"1": true, "2": true, "2": false}', {1}, "row 2: its number stands twice"),
        ('{"1": true, "2": "yes"}', {1}, "row 2: at answer: "),
        ('{"1": {"answer": true}, "2": false}', {2}, "row 1: "),
        ("{}", set(), "row 1: no answer is given"),
    ],
)
def test_what_is_valid_in_a_faulty_answer_is_kept(text, valid, said):
    with pytest.raises(PartlyAnsweredError, match=said) as raised:
        checker(Bool(), 2)(text)
    assert set(raised.value.rows) == valid


def test_a_key_that_stands_twice_inside_a_row_spoils_that_row_alone():
    with pytest.raises(PartlyAnsweredError, match="row 1: a key stands twice") as raised:
        checker(STRUCT, 2)('{"1": {"n": 1, "n": 2}, "2": {"n": 2}}')
    assert set(raised.value.rows) == {2}


@pytest.mark.parametrize("text", ["", "[true, false]", '{"1": true', '{"1": true} {"2": false}', '{"1": NaN}'])
def test_what_is_no_json_object_has_no_valid_part(text):
    with pytest.raises(InvalidAnswerError) as raised:
        checker(Bool(), 2)(text)
    assert not getattr(raised.value, "rows", {})


def sharers(lengths):
    empty = RequestTemplate("m", "", {}, Sampling())
    return [Sharer(Request("m", "", "x" * n, {}, empty.sampling, bytes([i])), ("x",)) for i, n in enumerate(lengths)]


def test_rows_go_together_in_order_fewer_where_they_are_long():
    assert [len(g) for g in groups(sharers([10] * 12), 5)] == [5, 5, 2]
    assert [len(g) for g in groups(sharers([LONGEST_SHARED] * 6), 10)] == [MOST_CHARACTERS // LONGEST_SHARED, 2]


def sent(request, **bears):
    capabilities = Capabilities()
    for name, value in bears.items():
        setattr(capabilities, name, value)
    return orjson.loads(Bodies("m").body(request, capabilities))


def test_the_schema_of_several_rows_is_sent_strictly_and_said_in_words_only_where_needed():
    for name, given, in_words in (("filter", {}, False), ("extract", {"fields": {"n": "integer"}}, True)):
        question = operator(name).question("What of {body}?", **given)
        schema = shared_schema(question.answer, 2)
        request = Request("m", question.shared_system, "rows", schema, Sampling(), b"")
        assert sent(request)["response_format"]["json_schema"]["strict"] is True
        assert ("one_row" in sent(request, structure="json_object")["messages"][0]["content"]) is in_words
    loose = {
        "type": "object",
        "properties": {"1": {"$ref": "#/$defs/x"}},
        "required": ["1"],
        "$defs": {"x": {"type": "object"}},
    }
    loose["additionalProperties"] = False
    body = sent(Request("m", "", "rows", loose, Sampling(), b""))
    assert body["response_format"]["json_schema"]["strict"] is False


def test_log_probabilities_are_asked_only_where_they_are_wanted():
    for declared, given in (("filter", {}), ("complete", {}), ("classify", {"labels": ["a", "b"]})):
        question = operator(declared).question("What of {body}?", **given)
        template = RequestTemplate("m", question.system, question.answer.schema, Sampling())
        assert "logprobs" not in sent(template.request("x"))
    wanted = RequestTemplate("m", "s", {}, Sampling(logprobs=True))
    assert sent(wanted.request("x"))["logprobs"] is True
