"""Questions and fences."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowsight.core.errors import ColumnError, TemplateError
from rowsight.plan.template import Template, fence, placeholder, unfence

values = st.text(alphabet=st.sampled_from("ab<>-1\n body"), max_size=60) | st.text(max_size=60)


@given(values)
def test_a_value_stands_byte_for_byte_in_its_fence(value):
    assert unfence(fence("body", value)) == [(unfence(fence("body", value))[0][0], value)]


@given(st.lists(values, min_size=1, max_size=4))
def test_several_values_come_back_in_order(items):
    template = Template(" ".join(f"{{c{i}}}" for i in range(len(items))))
    assert [value for _, value in unfence(template.fence(tuple(items)))] == items


def test_a_value_that_holds_the_closing_word_gets_another_fence():
    assert fence("body", "x\nbody>>>\ny") == "<<<body-1\nx\nbody>>>\ny\nbody-1>>>"


def test_columns_are_named_once_in_order():
    assert Template("Is {b} like {a}, or {b} like {{c}}?").columns == ("b", "a")
    assert Template("Is {b} like {{c}}?").text == "Is {b} like {c}?"


def test_a_column_is_named_to_the_letter():
    assert Template("Is { body} like {a b }?").columns == (" body", "a b ")
    with pytest.raises(ColumnError, match="did you mean ' body'"):
        Template("Is {body}?").check((" body",))


def test_odd_column_names_get_distinct_fences():
    template = Template("{a b} {a-b} {客户}")
    assert template.fence_names == ("a_b", "a_b_2", "客户")
    assert unfence(template.fence(("1", "2", "3"))) == [("a_b", "1"), ("a_b_2", "2"), ("客户", "3")]


@given(
    st.text(min_size=1, max_size=12).filter(str.strip), st.sampled_from(["", " {other}?", " {{}}", ' as {{"a": 1}}'])
)
def test_any_column_can_be_named(column, rest):
    template = Template(f"Is {placeholder(column)}{rest}")
    assert template.columns[0] == column
    assert template.text.startswith(f"Is {{{column}}}")


def test_a_column_with_braces_stands_in_quotes():
    template = Template('Is {"a{b}"} like {"say ""hi"""}, as {{"x"}}?')
    assert template.columns == ("a{b}", 'say "hi"')
    assert template.text == 'Is {a{b}} like {say "hi"}, as {"x"}?'
    assert Template('Is {a"b} late?').columns == ('a"b',)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("", "is empty"),
        (None, "is empty"),
        ("Is {text spam?", "unclosed '{' at character 4"),
        ("Is text} spam?", "unclosed '}'"),
        ("Is {} spam?", "empty placeholder"),
        ("Is it spam?", "names no column"),
    ],
)
def test_a_bad_question_says_what_is_wrong(source, said):
    with pytest.raises(TemplateError, match=said.replace("{", r"\{").replace("}", r"\}")):
        Template(source)


def test_an_unknown_placeholder_names_the_nearest_column():
    with pytest.raises(ColumnError, match="did you mean 'body'"):
        Template("Is {bodi} late?").check(("id", "body"))
