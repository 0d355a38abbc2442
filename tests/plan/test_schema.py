"""Answer types, guarantees and predicates."""

import pytest

from rowsight.core.errors import ColumnError, InputError, SchemaError
from rowsight.operators import operator
from rowsight.plan.guarantee import Guarantee, demanded
from rowsight.plan.predicate import columns_used
from rowsight.plan.schema import Label, Number, struct_of_fields


def test_labels_must_differ():
    with pytest.raises(SchemaError, match="'a' stands twice"):
        Label(("a", "b", "a"))
    with pytest.raises(SchemaError, match="at least two"):
        Label(("a",))
    with pytest.raises(SchemaError, match="the label 1 is no text"):
        Label((1, 2))


def test_a_description_of_no_label_names_the_nearest():
    with pytest.raises(SchemaError, match="did you mean 'refund'"):
        Label(("refund", "courier"), (("refunds", "money back"),))


@pytest.mark.parametrize("bounds", [(3, 3), (4, 1), (0, float("nan")), (0, float("inf"))])
def test_an_empty_or_infinite_range_is_refused(bounds):
    with pytest.raises(SchemaError):
        Number(*bounds)


def test_fields_may_be_types_names_or_schemas():
    struct = struct_of_fields({"a": str, "b": "int", "c": "list[number]", "d": {"enum": ["x", None]}})
    assert struct.schema["properties"]["b"] == {"type": ["integer", "null"]}
    assert struct.schema["properties"]["c"]["items"] == {"type": "number"}
    with pytest.raises(SchemaError, match="did you mean 'string'"):
        struct_of_fields({"a": "strng"})


def test_several_labels_come_in_the_order_of_the_declaration():
    several = operator("classify").question("{t}", labels=["a", "b", "c"], several=True).answer
    assert several.read({"answer": ["c", "a", "c"]}) == ["a", "c"]


@pytest.mark.parametrize("level", [0, 1, -0.1, 1.5])
def test_levels_lie_between_0_and_1(level):
    with pytest.raises(InputError, match="not between 0 and 1"):
        Guarantee(accuracy=level)


def test_contradictory_and_unoffered_metrics_are_refused():
    with pytest.raises(InputError, match="different demands"):
        Guarantee(accuracy=0.9, recall=0.9)
    every = dict.fromkeys(("accuracy", "precision", "recall", "confidence", "within", "by"))
    with pytest.raises(InputError, match="classify has no recall guarantee: it is certified by accuracy"):
        demanded(**{**every, "recall": 0.9}, offered=("accuracy",), operator="classify")
    with pytest.raises(InputError, match="complete has no accuracy guarantee: it has no guarantee"):
        demanded(**{**every, "accuracy": 0.9}, offered=(), operator="complete")
    with pytest.raises(InputError, match="no level is given"):
        demanded(**{**every, "confidence": 0.9}, offered=("accuracy",), operator="classify")


def test_a_predicate_names_its_columns_as_the_table_spells_them():
    assert columns_used("REGION = 'x' and len(\"Body\") > 3", ("Body", "region")) == ("region", "Body")


@pytest.mark.parametrize(
    "predicate",
    [
        "1 = 1; DROP TABLE x",
        "a IN (SELECT 1)",
        "a = 1 ORDER BY a",
        "a = 1 UNION SELECT 2",
        "(",
        "EXISTS (FROM read_csv('/etc/passwd'))",
        "a = 1 LIMIT 3",
    ],
)
def test_a_predicate_is_one_expression_over_the_row(predicate):
    with pytest.raises(InputError):
        columns_used(predicate, ("a",))


def test_an_unknown_column_of_a_predicate_names_the_nearest():
    with pytest.raises(ColumnError, match="did you mean 'region'"):
        columns_used("regio = 'x'", ("region",))
